// Follows the runs of a list: new ones come in at the top, changed ones where they stand.

const MOST_ROWS = 100;

const button = document.querySelector("button.live");
const empty = document.querySelector(".empty");
if (button) new Tail(button).begin();
// The first run of all: the page that teaches it gives way to the list.
if (empty) new EventSource("/ui/runs/live").addEventListener("runs", () => location.reload());

function Tail(button) {
  const box = document.querySelector(".list.runs").closest(".scroll");
  const body = box.querySelector("tbody");
  const summary = document.querySelector(".summary");
  const said = summary.textContent.trim();
  let source = null;
  let held = new Map();
  let isHovered = false;
  let isPaused = false;
  let isDue = false;
  let count = 0;

  this.begin = () => {
    button.hidden = false;
    button.addEventListener("click", () => (source ? stop() : follow()));
    box.addEventListener("pointerenter", () => { isHovered = true; });
    box.addEventListener("pointerleave", () => { isHovered = false; ask(); });
    addEventListener("scroll", ask, { passive: true });
    addEventListener("keydown", (event) => {
      if (event.key !== "." || event.target.closest("input, select, textarea")) return;
      isPaused = !isPaused;
      ask();
    });
    // A browser has few connections to a server; a page nobody sees needs none.
    document.addEventListener("visibilitychange", () => {
      if (source && document.hidden) source.close();
      else if (source) location.reload();
    });
    if (button.getAttribute("aria-pressed") === "true") follow();
  };

  function follow() {
    source = new EventSource(button.dataset.live);
    source.addEventListener("runs", (event) => {
      const holder = document.createElement("template");
      holder.innerHTML = `<table><tbody>${event.data}</tbody></table>`;
      for (const row of holder.content.querySelectorAll("tr")) {
        held.delete(row.dataset.run);
        held.set(row.dataset.run, row);
      }
      while (held.size > MOST_ROWS) held.delete(held.keys().next().value);
      ask();
    });
    source.onerror = () => { summary.textContent = `${said} · the connection broke; trying again`; };
    source.onopen = () => say();
    mark(true);
  }

  function stop() {
    source.close();
    source = null;
    summary.textContent = said;
    mark(false);
  }

  function mark(isOn) {
    button.setAttribute("aria-pressed", String(isOn));
    const address = new URL(location.href);
    if (isOn) address.searchParams.set("live", "on");
    else address.searchParams.delete("live");
    history.replaceState(null, "", address);
  }

  function ask() {
    if (isDue || !source) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (!isPaused && !isHovered && scrollY < 400) draw();
      say();
    });
  }

  function draw() {
    if (!held.size) return;
    box.hidden = false;
    document.querySelector("p.none")?.remove();
    const shown = new Map([...body.rows].map((row) => [row.dataset.run, row]));
    const fresh = [];
    for (const [run, row] of held) {
      if (shown.has(run)) shown.get(run).replaceWith(row);
      else fresh.push(row);
    }
    count += fresh.length;
    body.prepend(...fresh.reverse());
    while (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
    held = new Map();
  }

  function say() {
    const waiting = [...held.keys()].filter((run) => !body.querySelector(`[data-run="${run}"]`)).length;
    const why = isPaused ? "paused, `.` goes on" : isHovered ? "held while you point at the list" : "";
    const parts = ["following", `${count.toLocaleString("en")} new`];
    if (waiting) parts.push(`${waiting} waiting${why ? ` (${why})` : ""}`);
    else if (isPaused) parts.push(why);
    summary.textContent = parts.join(" · ");
  }
}
