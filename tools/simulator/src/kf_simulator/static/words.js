// What the page says, in Chinese and in English.

export const words = {
  zh: {
    title: "微信客服模拟器", subtitle: "你是顾客：发一条消息，看它走完整条路", traces: "链路追踪", api: "控制接口",
    accounts: "客服账号", customers: "顾客", add: "新顾客", nickname: "昵称（可不填）", suggestions: "试着问",
    hint: "消息经过真正的微信客服协议：加密回调、sync_msg、send_msg。换一个顾客，就是另一段会话。",
    enter: "重新进入会话", typing: "正在回复", send: "发送", placeholder: "以顾客身份输入，回车发送",
    waiting: "正在通知…", delivered: "已通知", pulled: "已收取", retrying: "正在重试", lost: "通知未送达",
    failed: "通知失败", trace: "查看链路",
    unreachable: "连不上模拟器，正在重试", no_callback: "没有设置回调地址（KF_SIMULATOR_CALLBACK_URL）：消息只能等轮询收取。",
    names: ["小王", "李女士", "陈先生", "阿杰", "周同学", "赵姐", "老孙", "小雨"],
  },
  en: {
    title: "WeCom KF simulator", subtitle: "You are the customer: send a message, watch it travel", traces: "Traces", api: "Control API",
    accounts: "KF accounts", customers: "Customers", add: "Add customer", nickname: "Nickname (optional)", suggestions: "Try asking",
    hint: "Messages take the real WeCom KF protocol: encrypted callback, sync_msg, send_msg. Another customer is another conversation.",
    enter: "Re-enter chat", typing: "Answering", send: "Send", placeholder: "Write as the customer, Enter to send",
    waiting: "notifying…", delivered: "notified", pulled: "pulled", retrying: "retrying", lost: "not notified",
    failed: "failed", trace: "trace",
    unreachable: "The simulator cannot be reached; trying again", no_callback: "No callback URL is set (KF_SIMULATOR_CALLBACK_URL): messages wait for the poll.",
    names: ["Wang", "Ms Li", "Mr Chen", "Jay", "Zhou", "Ms Zhao", "Old Sun", "Rain"],
  },
};

const states = {
  zh: ["新会话", "智能助手", "排队等待人工", "人工接待", "未开始 / 已结束"],
  en: ["new", "assistant", "waiting for a human", "human", "not started / ended"],
};

const events = {
  zh: {
    enter_session: "顾客进入会话", msg_send_fail: "消息发送失败", user_recall_msg: "顾客撤回了一条消息",
    session_status_change: ["", "人工从排队中接入", "会话转给同事", "会话已结束", "人工重新进入会话"],
  },
  en: {
    enter_session: "The customer opened the chat", msg_send_fail: "A message could not be delivered", user_recall_msg: "The customer took a message back",
    session_status_change: ["", "A servicer took the chat", "The chat went to a colleague", "The chat was ended", "A servicer opened the chat again"],
  },
};

const faults = [
  [/cannot be reached/, "连不上回调地址，网关启动了吗？"],
  [/no callback URL/, "没有设置回调地址"],
  [/no answer within/, "5 秒内没有应答"],
  [/lost on purpose/, "按设定丢弃"],
];

export const sayState = (language, session) =>
  states[language][session.service_state] + (session.servicer_userid ? ` · ${session.servicer_userid}` : "");

export const sayFault = (language, fault) =>
  language === "zh" ? faults.find(([pattern]) => pattern.test(fault))?.[1] ?? fault : fault;

export function sayEvent(language, entry) {
  const text = events[language][entry.body.event_type] ?? entry.body.event_type;
  return Array.isArray(text) ? text[entry.body.change_type] : text;
}
