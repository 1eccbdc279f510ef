// Notes when a page last changed, and whether Streamlit has answered since the reader's last click or key.
(() => {
  const watch = { since: 0, changed: 0, answers: 0, running: true };
  window.workbenchWatch = watch;
  const STATE = "data-test-script-state";
  // Streamlit's own sign of being at work is no content: it goes some time after the page is there.
  const ASIDE = "[data-testid=stStatusWidget], [data-testid=stToolbar]";
  new MutationObserver((changes) => {
    for (const change of changes) {
      const element = change.target.nodeType === Node.ELEMENT_NODE ? change.target : change.target.parentElement;
      if (change.type === "attributes" && change.attributeName === STATE) {
        watch.running = element.getAttribute(STATE) !== "notRunning";
        if (!watch.running) watch.answers += 1;
      } else if (!element?.closest(ASIDE)) {
        watch.changed = performance.now();
      }
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  // A canvas is painted without a change of the document; what takes the page's thread is seen here.
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) {
      watch.changed = Math.max(watch.changed, task.startTime + task.duration);
    }
  }).observe({ type: "longtask", buffered: true });
  const began = (event) => {
    watch.since = watch.changed = event.timeStamp;
    watch.answers = 0;
  };
  for (const kind of ["click", "keydown"]) window.addEventListener(kind, began, true);
  // The milliseconds from the beginning to the last change, in a list, once nothing has changed for so long.
  watch.taken = (quiet) => {
    const busy = watch.running || watch.answers === 0;
    const waiting = document.querySelector("[data-testid=stSkeleton], [data-testid=stSpinner]");
    const still = performance.now() - watch.changed > quiet;
    return !busy && !waiting && still && [watch.changed - watch.since];
  };
})();
