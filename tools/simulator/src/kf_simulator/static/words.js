// What the page says, in Chinese and in English.

export const words = {
  zh: {
    title: "微信客服模拟器", subtitle: "左边是顾客的手机，右边是人工客服的工作台", traces: "链路追踪", api: "控制接口",
    accounts: "客服账号", customers: "顾客", add: "新顾客", nickname: "昵称（可不填）", suggestions: "试着问",
    hint: "消息经过真正的微信客服协议：加密回调、sync_msg、send_msg。换一个顾客，就是另一段会话。",
    enter: "重新进入会话", typing: "正在回复", send: "发送", placeholder: "以顾客身份输入，回车发送",
    waiting: "正在通知…", delivered: "已通知", pulled: "已收取", retrying: "正在重试", lost: "通知未送达",
    failed: "通知失败", trace: "查看链路",
    unreachable: "连不上模拟器，正在重试", no_callback: "没有设置回调地址（KF_SIMULATOR_CALLBACK_URL）：消息只能等轮询收取。",
    recall: "撤回", attach: "更多", picture: "图片或文件", voice: "语音", video: "视频", file: "文件", place: "位置", link: "链接", link_title: "我的订单 1001",
    desk: "客服台", phone: "顾客", faults: "故障", reception: "接待方式", servicers: "人工客服", chats: "会话",
    mode_assistant: "仅智能助手", mode_human: "人工优先", mode_pool: "进入排队", online: "接待中", offline: "已停止",
    take: "接入", transfer: "转给", end: "结束会话", answer: "以客服身份发送", no_chats: "还没有会话", no_servicer: "没有人工客服（KF_SIMULATOR_SERVICERS）",
    armed: "待发生", clear: "全部清除", clock: "时钟", now: "现在", hour: "快进 1 小时", two_days: "快进 48.5 小时", judge_ok: "没有违反规则", judge: "裁判",
    fault_notice_lost: "丢一个通知", fault_notice_doubled: "通知重复", fault_notice_late: "通知晚到 10 秒", fault_empty_page: "空页 has_more=1",
    fault_cursor_lost: "游标丢失", fault_token_ended: "access_token 提前失效", fault_busy: "发送：系统繁忙 -1", fault_frequency: "发送：频率 45009",
    fault_bad_gateway: "发送：502 页面", fault_slow: "发送：慢 8 秒", fault_drop_after: "发送成功后断线", fault_send_fail: "稍后投递失败",
    names: ["小王", "李女士", "陈先生", "阿杰", "周同学", "赵姐", "老孙", "小雨"],
  },
  en: {
    title: "WeCom KF simulator", subtitle: "Left: the customer's phone. Right: the human servicer's desk", traces: "Traces", api: "Control API",
    accounts: "KF accounts", customers: "Customers", add: "Add customer", nickname: "Nickname", suggestions: "Try asking",
    hint: "Messages take the real WeCom KF protocol: encrypted callback, sync_msg, send_msg. Another customer is another conversation.",
    enter: "Re-enter chat", typing: "Answering", send: "Send", placeholder: "Write as the customer",
    waiting: "notifying…", delivered: "notified", pulled: "pulled", retrying: "retrying", lost: "not notified",
    failed: "failed", trace: "trace",
    unreachable: "The simulator cannot be reached; trying again", no_callback: "No callback URL is set (KF_SIMULATOR_CALLBACK_URL): messages wait for the poll.",
    recall: "recall", attach: "More", picture: "Picture or file", voice: "Voice note", video: "Video", file: "File", place: "Place", link: "Link", link_title: "My order 1001",
    desk: "Desk", phone: "Customer", faults: "Faults", reception: "Reception", servicers: "Servicers", chats: "Chats",
    mode_assistant: "Assistant only", mode_human: "Human first", mode_pool: "Pool", online: "on line", offline: "off line",
    take: "Take", transfer: "Give to", end: "End chat", answer: "Send as servicer", no_chats: "No chats yet", no_servicer: "There is no servicer (KF_SIMULATOR_SERVICERS)",
    armed: "Armed", clear: "Clear all", clock: "Clock", now: "now", hour: "1 hour on", two_days: "48.5 hours on", judge_ok: "no rule broken", judge: "Judge",
    fault_notice_lost: "Lose a notice", fault_notice_doubled: "Double a notice", fault_notice_late: "Notice 10 s late", fault_empty_page: "Empty page, has_more=1",
    fault_cursor_lost: "Cursor lost", fault_token_ended: "access_token ends early", fault_busy: "Send: busy -1", fault_frequency: "Send: frequency 45009",
    fault_bad_gateway: "Send: 502 page", fault_slow: "Send: 8 s slow", fault_drop_after: "Drop after the send", fault_send_fail: "Delivery fails later",
    names: ["Wang", "Ms Li", "Mr Chen", "Jay", "Zhou", "Ms Zhao", "Old Sun", "Rain"],
  },
};

const states = {
  zh: ["新会话", "智能助手", "排队等待人工", "人工接待", "未开始 / 已结束"],
  en: ["new", "assistant", "waiting for a human", "human", "not started / ended"],
};

const events = {
  zh: {
    enter_session: "顾客进入会话", msg_send_fail: "消息发送失败", user_recall_msg: "顾客撤回了一条消息", servicer_recall_msg: "人工客服撤回了一条消息", reject_customer_msg_switch_change: "人工客服改变了拒收设置",
    session_status_change: ["", "人工从排队中接入", "会话转给同事", "会话已结束", "人工重新进入会话"],
  },
  en: {
    enter_session: "The customer opened the chat", msg_send_fail: "A message could not be delivered", user_recall_msg: "The customer took a message back", servicer_recall_msg: "The servicer took a message back", reject_customer_msg_switch_change: "The servicer refuses messages, or takes them again",
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
