"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { states, words, messages, rows } = data;
  const PAGE = 50;
  const table = document.getElementById("all");
  const body = table.tBodies[0];
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const chips = [...document.querySelectorAll("#states button")];
  const [before, after] = document.querySelectorAll("#pages button");
  const view = { words: [], state: -1, column: -1, down: false, page: 0, rows };
  const text = rows.map((row) => (row[0] + "\n" + (messages[row[5]] ?? "")).toLowerCase());

  const count = (n) => n.toLocaleString("en-US");
  const size = (n) => {
    if (n === null) return "";
    if (n < 1000) return n + " B";
    let unit = -1;
    do { n /= 1024; unit += 1; } while (n >= 1000 && unit < 4);
    return n.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 }) + " " +
      ["KiB", "MiB", "GiB", "TiB", "PiB"][unit];
  };
  const when = (ms) => (ms === null ? "" : new Date(ms).toISOString().slice(0, 19).replace("T", " "));

  const cell = (line, label, content, kind) => {
    const made = line.insertCell();
    if (kind) made.className = kind;
    if (label && content !== "") made.dataset.label = label;
    made.textContent = content; // never as markup: names are what strangers wrote
    return made;
  };
  const draw = () => {
    const pages = Math.max(1, Math.ceil(view.rows.length / PAGE));
    view.page = Math.min(view.page, pages - 1);
    const first = view.page * PAGE;
    const shown = view.rows.slice(first, first + PAGE);
    body.textContent = "";
    for (const [path, state, bytes, sent, judged, message] of shown) {
      const line = body.insertRow();
      const name = cell(line, "", "", "");
      const span = document.createElement("span");
      span.className = "path";
      span.textContent = path;
      name.append(span);
      if (message >= 0) {
        const why = document.createElement("div");
        why.className = "small soft";
        why.textContent = messages[message];
        name.append(why);
      }
      const badge = document.createElement("span");
      badge.className = "state " + states[state];
      badge.textContent = words[state];
      cell(line, "", "", "").append(badge);
      cell(line, "Size", size(bytes), "number");
      cell(line, "Sent", when(sent), "when");
      cell(line, "Judged", when(judged), "when");
    }
    found.textContent = view.rows.length
      ? `${count(first + 1)} to ${count(first + shown.length)} of ${count(view.rows.length)} rows`
      : "No file matches.";
    before.disabled = view.page === 0;
    after.disabled = view.page === pages - 1;
  };
  const select = () => {
    view.rows = rows.filter((row, n) =>
      (view.state < 0 || row[1] === view.state) && view.words.every((word) => text[n].includes(word)));
    if (view.column >= 0) {
      const at = view.column;
      const sign = view.down ? -1 : 1;
      view.rows.sort((a, b) => {
        const [x, y] = [a[at], b[at]];
        if (x === y) return 0;
        if (x === null) return 1; // what is not known comes last, whichever way
        if (y === null) return -1;
        return (x < y ? -1 : 1) * sign;
      });
    }
    view.page = 0;
    draw();
  };

  find.addEventListener("input", () => {
    view.words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    select();
  });
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      for (const other of chips) other.setAttribute("aria-pressed", String(other === chip));
      view.state = Number(chip.dataset.state);
      select();
    });
  }
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.append(button);
    button.addEventListener("click", () => {
      const at = head.cellIndex;
      view.down = view.column === at ? !view.down : at === 2; // the largest first
      view.column = at;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
      select();
    });
  }
  before.addEventListener("click", () => { view.page -= 1; draw(); });
  after.addEventListener("click", () => { view.page += 1; draw(); });
  for (const tool of document.querySelectorAll("[data-tool]")) tool.hidden = false;
  draw();
})();
