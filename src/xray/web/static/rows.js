// A step's decisions, however many: only the rows in sight are in the page. The order and the
// filter are worked out here from the step's outline; the rows themselves are drawn by the server.

const ROW_PX = 34;
const AROUND = 12;
const KEPT_ROWS = 4000;

const table = document.querySelector("table[data-outline]");
if (table) start(table).catch((error) => note(`The table shows its first part only: ${error.message}`));

async function start(table) {
  const answer = await fetch(table.dataset.outline, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  new Rows(table, await answer.json()).begin();
}

function note(text) {
  const line = document.querySelector(".summary");
  if (line) line.append(` · ${text}`);
}

class Rows {
  constructor(table, outline) {
    this.table = table;
    this.outline = outline;
    this.box = table.closest(".scroll");
    this.form = document.querySelector("form.ask");
    this.summary = document.querySelector(".summary");
    this.columns = JSON.parse(table.dataset.columns);
    this.filled = JSON.parse(table.dataset.filled);
    // Rows by their place in the step: those the server drew, and those in the page until it has.
    this.drawn = new Map();
    this.coming = new Map();
    this.above = this.spacer();
    this.below = this.spacer();
    this.width = table.tHead.rows[0].cells.length;
    this.order = [];
    this.first = -1;
  }

  begin() {
    this.box.classList.add("windowed");
    document.querySelector(".pager")?.remove();
    for (const head of this.table.querySelectorAll("th[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => this.sortBy(head.dataset.sort));
      head.replaceChildren(button);
    }
    this.form.addEventListener("submit", (event) => {
      if (!this.form.elements.q.value.trim()) {
        event.preventDefault();
        this.keep("push");
        this.show();
      }
    });
    this.form.addEventListener("input", (event) => {
      if (event.target.name === "q" || new URL(location.href).searchParams.has("q")) return;
      this.keep(event.target.name === "find" ? "replace" : "push");
      this.show();
    });
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    this.box.addEventListener("scrollend", () => this.remember());
    addEventListener("popstate", () => this.restore());
    addEventListener("resize", () => this.draw());
    this.fillForm();
    this.adopt();
    this.restore();
  }

  // What the URL asks: the same in a fresh browser and after Back.
  restore() {
    const asked = new URL(location.href).searchParams;
    // The query language is the server's: a list made by it stays as it was sent.
    if (asked.get("q")) return;
    this.fillForm();
    this.show(Number(asked.get("row") ?? 0));
  }

  fillForm() {
    const asked = new URL(location.href).searchParams;
    for (const name of ["decision", "reason", "find"]) this.form.elements[name].value = asked.get(name) ?? "";
  }

  // The rows that came with the page are as good as those asked for later.
  adopt() {
    const asked = new URL(location.href).searchParams;
    if (asked.get("q") || asked.get("cursor")) return;
    const places = this.arrange("");
    [...this.table.tBodies[0].rows].forEach((row, at) => {
      const isOf = row.querySelector("a")?.textContent === this.outline.candidate_ids[places[at]];
      if (isOf) this.drawn.set(places[at], row);
    });
  }

  keep(how, changes = {}) {
    const address = new URL(location.href);
    for (const name of ["decision", "reason", "find"]) {
      changes[name] ??= this.form.elements[name].value.trim();
    }
    for (const [name, value] of Object.entries({ row: "", cursor: "", ...changes })) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    history[`${how}State`](null, "", address);
  }

  remember() {
    const row = Math.floor(this.box.scrollTop / ROW_PX);
    this.keep("replace", { row: row ? String(row) : "" });
  }

  sortBy(column) {
    const now = new URL(location.href).searchParams.get("sort") ?? "";
    this.keep("push", { sort: now === column ? `-${column}` : now === `-${column}` ? "" : column });
    this.show();
  }

  show(row = 0) {
    const asked = new URL(location.href).searchParams;
    this.order = this.arrange(asked.get("sort") ?? "");
    this.markSorted(asked.get("sort") ?? "");
    this.table.setAttribute("aria-rowcount", String(this.order.length + 1));
    const [shown, stored] = [this.order.length, this.outline.count].map((count) => count.toLocaleString("en"));
    this.summary.textContent = `${shown} of the ${stored} decisions kept in detail`;
    this.first = -1;
    this.draw(row);
    // The box scrolls as far as its rows reach, so they come first.
    this.box.scrollTop = row * ROW_PX;
  }

  arrange(sort) {
    const { decision, reason, find } = this.form.elements;
    const outline = this.outline;
    const verdict = decision.value ? outline.verdicts.indexOf(decision.value) : null;
    const why = reason.value ? outline.reasons.indexOf(reason.value) : null;
    const part = find.value.trim().toLowerCase();
    const chosen = [];
    for (let place = 0; place < outline.count; place += 1) {
      if (verdict !== null && outline.verdict[place] !== verdict) continue;
      if (why !== null && outline.reason[place] !== why) continue;
      if (part && !outline.candidate_ids[place].toLowerCase().includes(part)) continue;
      chosen.push(place);
    }
    const name = sort.replace(/^-/, "");
    const key = this.keyOf(name);
    if (!key) return chosen;
    const sign = sort.startsWith("-") ? -1 : 1;
    // What has no value stands last, whichever way the others go.
    return chosen.sort((a, b) => {
      const left = key[a], right = key[b];
      if (left === right) return a - b;
      if (left === null || left === undefined) return 1;
      if (right === null || right === undefined) return -1;
      return left < right ? -sign : sign;
    });
  }

  keyOf(name) {
    const outline = this.outline;
    if (name === "candidate") return outline.candidate_ids;
    if (name === "score") return outline.scores;
    if (name === "rank") return outline.ranks;
    const [places, words] = name === "verdict" ? [outline.verdict, outline.verdicts]
      : name === "reason" ? [outline.reason, outline.reasons] : [null, null];
    if (!places) return null;
    // Words are compared once, not once a row.
    const ordered = words.filter((word) => word !== null).sort();
    const rankOf = words.map((word) => (word === null ? null : ordered.indexOf(word)));
    return places.map((place) => rankOf[place]);
  }

  markSorted(sort) {
    for (const head of this.table.querySelectorAll("th[data-sort]")) {
      const is = sort.replace(/^-/, "") === head.dataset.sort;
      if (is) head.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  draw(row = Math.floor(this.box.scrollTop / ROW_PX)) {
    const first = Math.max(0, row - AROUND);
    if (Math.abs(first - this.first) < AROUND / 2 && this.first >= 0) return;
    this.first = first;
    const places = this.order.slice(first, first + this.inSight());
    this.fill(first, places);
    const missing = places.filter((place) => !this.drawn.has(place));
    if (missing.length) this.load(missing);
  }

  inSight() {
    return Math.ceil(this.box.clientHeight / ROW_PX) + 2 * AROUND;
  }

  fill(first, places) {
    const rows = places.map((place, at) => {
      const row = this.drawn.get(place) ?? this.coming.get(place) ?? this.outlineRow(place);
      row.setAttribute("aria-rowindex", String(first + at + 2));
      return row;
    });
    this.coming = new Map(
      places.map((place, at) => [place, rows[at]]).filter(([place]) => !this.drawn.has(place)),
    );
    this.above.firstChild.style.height = `${first * ROW_PX}px`;
    this.below.firstChild.style.height = `${Math.max(0, this.order.length - first - rows.length) * ROW_PX}px`;
    this.place([this.above, ...(this.order.length ? rows : [this.sayNone()]), this.below]);
  }

  // A row that stays in sight stays in the page: somebody may be clicking on it, or have the focus in it.
  place(rows) {
    const body = this.table.tBodies[0];
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    const staying = new Set(rows);
    for (const row of [...body.rows]) if (!staying.has(row)) row.remove();
    let next = body.firstElementChild;
    for (const row of rows) {
      if (row === next) next = next.nextElementSibling;
      else body.insertBefore(row, next);
    }
    if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  }

  spacer() {
    const row = document.createElement("tr");
    row.className = "spacer";
    row.setAttribute("aria-hidden", "true");
    row.insertCell().colSpan = this.table.tHead.rows[0].cells.length;
    return row;
  }

  sayNone() {
    const row = document.createElement("tr");
    const cell = row.insertCell();
    cell.colSpan = this.width;
    cell.textContent = "No decision of this step meets this.";
    return row;
  }

  // What the outline knows of a row whose detail is on its way.
  outlineRow(place) {
    const outline = this.outline;
    const row = document.createElement("tr");
    row.className = "coming";
    const texts = [
      outline.candidate_ids[place],
      outline.verdicts[outline.verdict[place]] ?? "",
      outline.reasons[outline.reason[place]] ?? "",
    ];
    for (let at = 0; at < this.width; at += 1) row.insertCell().textContent = texts[at] ?? "";
    return row;
  }

  async load(places) {
    const address = new URL(this.table.dataset.rows, location.href);
    address.searchParams.set("at", places.join(","));
    for (const name of this.columns) address.searchParams.append("column", name);
    for (const name of this.filled) address.searchParams.append("with", name);
    const answer = await fetch(address);
    if (!answer.ok) return;
    const holder = document.createElement("template");
    holder.innerHTML = `<table><tbody>${await answer.text()}</tbody></table>`;
    if (this.drawn.size > KEPT_ROWS) {
      for (const [place, row] of this.drawn) if (!row.isConnected) this.drawn.delete(place);
    }
    const rows = [...holder.content.querySelectorAll("tr")];
    rows.forEach((row, at) => this.drawn.set(places[at], row));
    for (const [place, coming] of this.coming) {
      const row = this.drawn.get(place);
      if (!row) continue;
      row.setAttribute("aria-rowindex", coming.getAttribute("aria-rowindex"));
      coming.replaceWith(row);
      this.coming.delete(place);
    }
  }
}
