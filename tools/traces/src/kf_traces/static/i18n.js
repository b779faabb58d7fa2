// The page's words, Chinese first; the choice is remembered in this browser.

const WORDS = {
  zh: {
    title: "链路追踪", otherLanguage: "English", traces: "链路", waterfall: "时间线", details: "详情",
    searchHint: "消息 ID、命令 ID、errcode、key=value 或任意文字", searchLabel: "搜索链路",
    service: "服务", allServices: "全部服务", slow: "耗时", anyDuration: "任意耗时", atLeast: "≥ {0}",
    onlyErrors: "仅错误", unanswered: "未回复", account: "客服账号", allAccounts: "全部账号",
    kind_message: "客户消息", kind_notice: "微信通知", kind_verify: "回调验证", kind_poll: "轮询拉取", messages: "{0} 条消息",
    cause: "原因", remedy: "处理办法", menu: "位置", queued: "排队", limiterWait: "限流等待 {0}",
    zoomIn: "放大", zoomOut: "缩小", zoomAll: "全部", zoomHint: "在标尺上拖动可放大",
    outcome_waiting: "等待回复", outcome_answered: "已生成回复", outcome_answered_from_faq: "已用问答库回复",
    outcome_apologised: "已致歉", outcome_asked_for_text: "已请客户发文字", outcome_sending: "发送中",
    outcome_delivered: "已送达", outcome_retry: "待重试", outcome_unknown: "结果未知", outcome_inspect: "查询会话状态",
    outcome_hold: "等客户再发言", outcome_park: "人工接待中", outcome_suspend: "账号已暂停", outcome_fail: "发送失败", live: "实时", clear: "清空", clearTitle: "删除全部链路",
    clearAsk: "删除本机保存的全部链路？此操作不可撤销。", cancel: "取消", keys: "键盘快捷键", close: "关闭",
    count: "{0} 条", countMore: "{0}+ 条", loadMore: "加载更早的链路", offline: "连接中断，正在重试…",
    spans: "{0} 个跨度", errors: "{0} 个错误", nextError: "下一个错误", services: "{0} 个服务",
    noTraces: "还没有链路", noTracesMore: "给客服发一条消息，它经过的每一步都会出现在这里。",
    noMatch: "没有符合条件的链路", noMatchMore: "换个关键词，或放宽筛选条件。", resetFilters: "清除筛选",
    pick: "选择一条链路", pickMore: "从左侧选择，或按 / 粘贴消息 ID。",
    gone: "找不到这条链路", goneMore: "它可能尚未到达，或为了腾出空间已被删除。",
    related: "关联链路", showDb: "显示数据库操作（{0}）", expandAll: "全部展开", collapseAll: "全部折叠",
    copyId: "复制 ID", copied: "已复制", orphan: "父跨度未收到", wait: "排队等待 {0}", repeated: "第 {0} 次投递",
    operation: "操作", total: "总耗时", started: "开始于", kind: "类型", status: "状态", offset: "开始", duration: "耗时",
    attributes: "属性", events: "事件", links: "链接", resource: "来源进程", scope: "埋点库", spanId: "跨度 ID",
    parentId: "父跨度 ID", openTrace: "打开链路", inThisTrace: "本链路", search: "搜索该值", none: "无",
    kind_internal: "内部", kind_server: "服务端", kind_client: "客户端", kind_producer: "生产者", kind_consumer: "消费者",
    status_unset: "正常", status_ok: "成功", status_error: "错误",
    key_search: "搜索", key_move: "上一条 / 下一条", key_open: "打开链路 / 查看详情", key_fold: "折叠 / 展开",
    key_back: "返回上一层", key_error: "跳到下一个错误", key_zoom: "放大 / 缩小 / 全部", key_unanswered: "只看未回复", key_live: "开关实时刷新",
  },
  en: {
    title: "Traces", otherLanguage: "中文", traces: "Traces", waterfall: "Timeline", details: "Details",
    searchHint: "message id, command id, errcode, key=value or any text", searchLabel: "Search traces",
    service: "Service", allServices: "All services", slow: "Duration", anyDuration: "Any duration", atLeast: "≥ {0}",
    onlyErrors: "Errors", unanswered: "Unanswered", account: "KF account", allAccounts: "All accounts",
    kind_message: "Customer message", kind_notice: "Notice from WeCom", kind_verify: "Callback check", kind_poll: "Poll",
    messages: "{0} messages", cause: "Cause", remedy: "What to do", menu: "Where", queued: "In queues",
    limiterWait: "rate limit {0}", zoomIn: "Zoom in", zoomOut: "Zoom out", zoomAll: "All",
    zoomHint: "drag over the ruler to zoom",
    outcome_waiting: "waiting", outcome_answered: "answer written", outcome_answered_from_faq: "answered from FAQ",
    outcome_apologised: "apologised", outcome_asked_for_text: "asked for text", outcome_sending: "sending",
    outcome_delivered: "delivered", outcome_retry: "to be retried", outcome_unknown: "unknown", outcome_inspect: "reading state",
    outcome_hold: "held for the customer", outcome_park: "with a human", outcome_suspend: "account paused",
    outcome_fail: "failed", live: "Live", clear: "Clear", clearTitle: "Delete all traces",
    clearAsk: "Delete every trace kept on this machine? This cannot be undone.", cancel: "Cancel",
    keys: "Keyboard shortcuts", close: "Close",
    count: "{0}", countMore: "{0}+", loadMore: "Load older traces", offline: "Connection lost, retrying…",
    spans: "{0} spans", errors: "{0} errors", nextError: "Next error", services: "{0} services",
    noTraces: "No traces yet", noTracesMore: "Send the bot a message; every step it takes appears here.",
    noMatch: "Nothing matches", noMatchMore: "Try another word, or loosen the filters.", resetFilters: "Reset filters",
    pick: "Pick a trace", pickMore: "Choose one on the left, or press / and paste a message id.",
    gone: "No such trace here", goneMore: "It may not have arrived yet, or was dropped to make room.",
    related: "Linked traces", showDb: "Show database calls ({0})", expandAll: "Expand all", collapseAll: "Collapse all",
    copyId: "Copy id", copied: "Copied", orphan: "parent not received", wait: "waited in queue {0}",
    repeated: "delivery {0}",
    operation: "Operation", total: "Total", started: "Started", kind: "Kind", status: "Status", offset: "Starts at",
    duration: "Duration", attributes: "Attributes", events: "Events", links: "Links", resource: "Process",
    scope: "Instrumentation", spanId: "Span id", parentId: "Parent span id", openTrace: "Open trace",
    inThisTrace: "this trace", search: "Search this value", none: "none",
    kind_internal: "internal", kind_server: "server", kind_client: "client", kind_producer: "producer",
    kind_consumer: "consumer", status_unset: "fine", status_ok: "ok", status_error: "error",
    key_search: "Search", key_move: "Previous / next", key_open: "Open trace / show details",
    key_fold: "Collapse / expand", key_back: "Go back", key_error: "Jump to the next error",
    key_zoom: "Zoom in / out / all", key_unanswered: "Unanswered only", key_live: "Toggle live refresh",
  },
};

const STORED = "kefu.traces.language";
let language = localStorage.getItem(STORED) === "en" ? "en" : "zh";

export function t(key, ...values) {
  return values.reduce((text, value, index) => text.replace(`{${index}}`, value), WORDS[language][key]);
}

// The text of {zh, en} in the page's language.
export const inLanguage = (texts) => texts[language];

// The word for a name that may have none: then the name itself.
export const wordOr = (key, name) => WORDS[language][key] ?? name;

export const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(STORED, language);
}

// Fill in the words of the static part of the page.
export function translate(root) {
  document.documentElement.lang = locale();
  document.title = `Kefu ${t("title")}`;
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of root.querySelectorAll("[data-title]")) node.title = t(node.dataset.title);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = t(node.dataset.placeholder);
}
