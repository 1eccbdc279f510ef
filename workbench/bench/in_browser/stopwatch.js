// Notes when a page last changed, and whether Streamlit has answered since the reader's last click or key.
(() => {
  const watch = { since: 0, changed: 0, heard: 0 };
  window.workbenchWatch = watch;
  const STATE = "data-test-script-state";
  // Streamlit's own sign of being at work is no content: it goes some time after the page is there.
  const ASIDE = "[data-testid=stStatusWidget], [data-testid=stToolbar]";
  // What stands within a canvas is not drawn: screen readers read it there, and a table writes it 200 ms late.
  const isWithinCanvas = (change, element) =>
    element.closest("canvas") && (change.type !== "attributes" || element.tagName !== "CANVAS");
  new MutationObserver((changes) => {
    for (const change of changes) {
      const element = change.target.nodeType === Node.ELEMENT_NODE ? change.target : change.target.parentElement;
      if (change.type === "attributes" && change.attributeName === STATE) continue;
      if (element && (element.closest(ASIDE) || isWithinCanvas(change, element))) continue;
      watch.changed = performance.now();
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  // A canvas is painted without a change of the document; what takes the page's thread is seen here.
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) {
      watch.changed = Math.max(watch.changed, task.startTime + task.duration);
    }
  }).observe({ type: "longtask", buffered: true });
  // The page's own sign that a run began and ended is left out where both come in one go.
  window.WebSocket = class extends window.WebSocket {
    constructor(...address) {
      super(...address);
      this.addEventListener("message", () => (watch.heard = performance.now()));
    }
  };
  const began = (event) => {
    watch.since = watch.changed = event.timeStamp;
    watch.heard = 0;
  };
  for (const kind of ["click", "keydown"]) window.addEventListener(kind, began, true);
  // What the page is waited for; nothing once nothing has changed for so many milliseconds.
  watch.waiting = (quiet) => {
    if (watch.heard === 0) return "the server has not answered";
    if (!document.querySelector(`[${STATE}=notRunning]`)) return "the server is at work";
    if (document.querySelector("[data-testid=stSkeleton], [data-testid=stSpinner]")) return "a part is to come";
    return performance.now() - Math.max(watch.changed, watch.heard) > quiet ? null : "it is still changing";
  };
  // The milliseconds from the beginning to the last change, in a list, once nothing is waited for.
  watch.taken = (quiet) => watch.waiting(quiet) === null && [watch.changed - watch.since];
})();
