// Keeps an open page fresh: asks every few seconds whether it has changed, loads it again if so, and changes
// in place what differs. While somebody points at a list, types, has selected text or opened something there,
// rows stay where they are and a button says how many changes wait. Pages are whole without this.
"use strict";
(() => {
  const events = document.body.dataset.events;
  const EVERY = 4000, LONGEST = 60000, PATIENCE = 15000, MOST_LINES = 2000;
  const LISTS = "tbody, ul, ol";
  const RELATIVE = /^(now|in \d+ (s|min|h|d)|\d+ (s|min|h|d) ago)$/;
  const page = () => location.href.split("#")[0];
  const make = (tag, values) => Object.assign(document.createElement(tag), values);

  let tag = null, timer = 0, asking = false, over = false, failures = 0, freshAt = Date.now(), lostAt = 0;
  let latest = null, held = 0, skew = 0;

  // --- what is told about freshness -----------------------------------------------------------------------
  const said = make("p", { className: "said" });
  said.setAttribute("role", "status");
  const waiting = make("button", { className: "waiting", type: "button", hidden: true });
  const fresh = make("span", { className: "fresh" });
  fresh.dataset.own = "";
  document.body.append(said, waiting);
  (document.querySelector("footer p") || document.body).append(" ", fresh);
  waiting.addEventListener("click", () => { bring(true); document.getElementById("main").focus?.(); });

  function say(text, link) {
    if (said.dataset.text === text) return;
    said.dataset.text = text;
    said.replaceChildren(text);
    if (link) said.append(" ", link);
  }

  function signedOut() {
    over = true;
    const back = encodeURIComponent(location.pathname.slice(mount().length) + location.search);
    const link = make("a", { href: `${mount()}/ui/sign-in?next=${back}`, textContent: "Sign in again" });
    say("You are signed out, so this page no longer changes.", link);
  }

  const mount = () => events.slice(0, -"/ui/events".length);

  // --- times ----------------------------------------------------------------------------------------------
  function about(seconds) {
    for (const [above, unit, name] of [[172800, 86400, "d"], [7200, 3600, "h"], [120, 60, "min"]])
      if (seconds >= above) return `${Math.floor(seconds / unit)} ${name}`;
    return `${Math.floor(seconds)} s`;
  }

  function ago(instant) {
    const seconds = (instant - Date.now() - skew) / 1000;
    if (Math.abs(seconds) < 1) return "now";
    return seconds > 0 ? `in ${about(seconds)}` : `${about(-seconds)} ago`;
  }

  function write(node, text) {
    if (node.data !== text) node.data = text;
  }

  function tellTimes() {
    for (const one of document.querySelectorAll("time[datetime]")) {
      const text = one.firstChild;
      if (text?.nodeType === 3 && !one.firstElementChild && RELATIVE.test(text.data) && !selected(text))
        write(text, ago(Date.parse(one.dateTime)));
    }
    const age = (Date.now() - freshAt) / 1000;
    const text = `fresh ${about(Math.max(0, age))} ago`;
    if (fresh.textContent !== text) fresh.textContent = text;
  }

  function readClock(from) {
    const shown = from.querySelector(".where time[datetime]");
    if (shown) skew = Date.parse(shown.dateTime) - Date.now();
  }

  // --- what is in use -------------------------------------------------------------------------------------
  function selected(node) {
    const selection = getSelection();
    return !!selection && !selection.isCollapsed && selection.containsNode(node, true);
  }

  function inUse(element) {
    const focus = document.activeElement;
    return (focus && focus !== document.body && focus !== element && element.contains(focus)) ||
      selected(element) || !!element.querySelector("details[open]") ||
      (element.matches(LISTS) ? element.matches(":hover") : !!element.querySelector(`:is(${LISTS}):hover`)) ||
      [...element.querySelectorAll("input:not([type=checkbox], [type=hidden]), textarea")].some(
        (field) => field.value !== field.defaultValue);
  }

  // --- the change in place --------------------------------------------------------------------------------
  const blank = (node) => node.nodeType === 8 || (node.nodeType === 3 && !node.data.trim());

  function keyed(parent) {
    const seen = new Map();
    return [...parent.childNodes].filter((node) => !blank(node) && !own(node)).map((node) => {
      let key = node.id ? `#${node.id}` : "";
      if (!key && node.nodeType === 1 && node.matches("li, tr"))
        key = node.querySelector("a[href]")?.getAttribute("href") || "";
      key = key ? `${node.nodeName} ${key}` : node.nodeName;
      const times = seen.get(key) || 0;
      seen.set(key, times + 1);
      return [`${key} ${times}`, node];
    });
  }

  const own = (node) => node.nodeType === 1 && node.hasAttribute("data-own");

  function change(old, now, force) {
    if (old.nodeType === 3) {
      if (old.data === now.data) return 0;
      if (!force && selected(old)) return 1;
      old.data = now.data;
      return 0;
    }
    if (old.nodeType !== 1 || own(old)) return 0;
    for (const { name, value } of now.attributes)
      if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
    for (const { name } of [...old.attributes])
      if (!now.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    return old.isEqualNode(now) ? 0 : changeChildren(old, now, force);
  }

  function changeChildren(old, now, force) {
    const before = keyed(old), after = keyed(now);
    const known = new Map(before), wanted = new Map(after);
    let kept = 0;
    const isLog = old.classList.contains("log");
    const same = before.length === after.length && before.every(([key], at) => key === after[at][0]);
    if (!same && !isLog && !force && inUse(old)) {
      for (const [key, node] of before) if (wanted.has(key)) kept += change(node, wanted.get(key), force);
      const moved = before.filter(([key]) => !wanted.has(key)).length +
        after.filter(([key]) => !known.has(key)).length;
      return kept + Math.max(1, moved);
    }
    if (!same) {
      for (const [key, node] of before)
        if (!wanted.has(key) && !(isLog && !following() && before.length < MOST_LINES)) node.remove();
      let place = isLog ? null : old.firstChild;
      for (const [key, node] of after) {
        const here = known.get(key) || document.importNode(node, true);
        if (isLog) {
          if (!known.has(key)) old.append(here);
          continue;
        }
        while (place && (blank(place) || own(place)) && place !== here) place = place.nextSibling;
        if (here === place) place = place.nextSibling;
        else old.insertBefore(here, place);
      }
    }
    for (const [key, node] of after) if (known.has(key)) kept += change(known.get(key), node, force);
    return kept;
  }

  function bring(force) {
    if (!latest) return;
    document.title = latest.title;
    held = 0;
    for (const part of ["link[rel=icon]", ".where", ".eye", "main"]) {
      const [old, now] = [document.querySelector(part), latest.querySelector(part)];
      if (old && now) held += change(old, now, force);
    }
    waiting.hidden = !held;
    waiting.textContent = `${held} ${held === 1 ? "change" : "changes"}, show`;
    afterChange();
  }

  // --- the log of a run -----------------------------------------------------------------------------------
  const find = document.getElementById("find");

  function following() {
    return !!document.getElementById("follow")?.checked;
  }

  function afterChange() {
    const log = document.querySelector(".log");
    for (const one of document.querySelectorAll("[data-script]")) one.hidden = false;
    document.querySelector(".newest")?.classList.toggle("follows", following());
    if (log && following()) log.scrollTop = log.scrollHeight;
    if (find && document.activeElement === find) mark();
    nameChosen();
    tellTimes();
  }

  const CHOSEN_NAMES = 8;

  function nameChosen() {
    const names = document.querySelector(".bulk .names");
    if (!names) return;
    const chosen = [...document.querySelectorAll(".choose input:checked")].map((box) => box.value);
    const more = chosen.length - CHOSEN_NAMES;
    const text = chosen.slice(0, CHOSEN_NAMES).join(", ") + (more > 0 ? ` and ${more} more` : "");
    if (names.textContent !== text) names.textContent = text;
  }

  document.addEventListener("change", nameChosen);

  function mark() {
    const wanted = find.value.toLowerCase();
    let count = 0;
    for (const line of document.querySelectorAll(".log .log-line")) {
      const hit = !!wanted && line.querySelector(".text").textContent.toLowerCase().includes(wanted);
      line.classList.toggle("hit", hit);
      count += hit;
    }
    const text = wanted ? `${count} ${count === 1 ? "line matches" : "lines match"}` : "";
    document.getElementById("found").textContent = text;
  }

  find?.addEventListener("input", () => {
    mark();
    const address = new URL(location.href);
    find.value ? address.searchParams.set("q", find.value) : address.searchParams.delete("q");
    history.replaceState(null, "", address);
  });
  document.getElementById("follow")?.addEventListener("change", afterChange);
  document.querySelector(".log")?.addEventListener("wheel", (event) => {
    const follow = document.getElementById("follow");
    if (follow && event.deltaY < 0) follow.checked = false;
    document.querySelector(".newest")?.classList.toggle("follows", following());
  }, { passive: true });

  // --- asking ---------------------------------------------------------------------------------------------
  const ask = (address, headers) => fetch(address, {
    headers, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(PATIENCE),
  });
  const refused = (response) => response.type === "opaqueredirect" || response.status === 401;

  async function look() {
    const here = encodeURIComponent(location.pathname.slice(mount().length) + location.search);
    const response = await ask(`${events}?page=${here}`, tag ? { "If-None-Match": tag } : {});
    if (refused(response)) return signedOut();
    if (response.status === 200) {
      const whole = await ask(page(), { Accept: "text/html", "X-Sauron-Version": response.headers.get("ETag") });
      if (refused(whole)) return signedOut();
      if (whole.status !== 200) throw new Error(`status ${whole.status}`);
      latest = new DOMParser().parseFromString(await whole.text(), "text/html");
      readClock(latest);
      bring(false);
      tag = response.headers.get("ETag");
    } else if (response.status !== 304) {
      throw new Error(`status ${response.status}`);
    } else if (held) {
      bring(false);
    }
    failures = lostAt = 0;
    freshAt = Date.now();
    say("");
  }

  async function poll() {
    clearTimeout(timer);
    if (asking || over || document.hidden) return;
    asking = true;
    try {
      await look();
    } catch {
      failures += 1;
      lostAt ||= freshAt;
      const since = new Date(lostAt).toTimeString().slice(0, 5);
      if (failures > 1) say(`No connection to Sauron: this page is as it was at ${since}. Trying again.`);
    }
    asking = false;
    tellTimes();
    if (!over && !document.hidden) timer = setTimeout(poll, Math.min(EVERY * 2 ** failures, LONGEST));
  }

  document.addEventListener("visibilitychange", poll);
  addEventListener("online", poll);
  setInterval(() => { if (!document.hidden) tellTimes(); }, 1000);
  readClock(document);
  afterChange();
  timer = setTimeout(poll, EVERY);
})();
