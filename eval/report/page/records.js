const listing = (() => {
  const list = document.getElementById("list");
  if (!list) return null;
  const PAGE = 20;
  const form = document.getElementById("filters");
  const more = document.getElementById("more");
  const fields = ["genre", "topic", "persona", "source"];
  const haystacks = data.records.map((record) => [record.id, record.text, (record.turns || []).map((turn) => turn[1]).join(" "),
    record.topic, record.genre, record.persona, record.reason, record.keywords].filter(Boolean).join(" \u0000 ").toLowerCase());
  const listeners = [];
  let found = [];
  let shown = 0;

  for (const field of fields) {
    const counts = new Map();
    for (const record of data.records) if (record[field]) counts.set(record[field], (counts.get(record[field]) || 0) + 1);
    const select = document.getElementById(field);
    if (counts.size < 2) { select.parentElement.hidden = true; select.parentElement.style.display = "none"; continue; }
    for (const [label, count] of [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))) {
      select.append(node("option", { value: label }, label + " (" + count + ")"));
    }
  }

  function matches(record, place, wanted, words) {
    if (wanted.state && wanted.state !== (record.ok ? "accepted" : "rejected")) return false;
    if (fields.some((field) => wanted[field] && record[field] !== wanted[field])) return false;
    return words.every((word) => haystacks[place].includes(word));
  }

  function card(place) {
    const record = data.records[place];
    const body = record.turns
      ? record.turns.flatMap(([role, text]) => [node("p", { class: "role" }, role), node("p", { class: "text", dir: "auto" }, text)])
      : [node("p", { class: "text", dir: "auto" }, (record.text || "") + (record.cut ? " …" : ""))];
    const button = node("button", { type: "button", "aria-expanded": "false" }, "Path and particulars");
    const facts = [node("b", {}, record.ok ? "" : "rejected"), record.genre, record.topic, record.persona]
      .filter((fact) => typeof fact === "object" ? fact.textContent : fact)
      .map((fact) => typeof fact === "object" ? fact : node("bdi", {}, fact));
    const made = node("article", { class: record.ok ? "record" : "record rejected", id: "record-" + place, tabindex: "-1" },
      node("header", {}, facts, node("span", { class: "id" }, record.id)),
      record.reason ? node("p", { class: "why", dir: "auto" }, record.reason) : null,
      body, button);
    button.addEventListener("click", () => toggle(made, button, record));
    return made;
  }

  function toggle(made, button, record) {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    button.textContent = open ? "Path and particulars" : "Close";
    if (open) made.querySelector(".more").remove();
    else made.append(detailsOf(record));
  }

  function grow(count) {
    const next = found.slice(shown, shown + count);
    list.append(...next.map(card));
    shown += next.length;
    more.hidden = shown >= found.length;
    more.textContent = "Show " + Math.min(PAGE, found.length - shown) + " more of " + number(found.length - shown);
  }

  function refresh() {
    const wanted = { state: document.getElementById("state").value };
    for (const field of fields) wanted[field] = document.getElementById(field).value;
    const words = document.getElementById("query").value.toLowerCase().split(/\s+/).filter(Boolean);
    found = data.records.flatMap((record, place) => (matches(record, place, wanted, words) ? [place] : []));
    shown = 0;
    list.replaceChildren();
    document.getElementById("found").textContent = found.length === data.records.length
      ? plural(found.length, "record") : plural(found.length, "record") + " of " + number(data.records.length);
    grow(PAGE);
    const kept = new Set(found);
    for (const listener of listeners) listener(kept.size === data.records.length ? null : kept);
  }

  function open(place) {
    if (!found.includes(place)) { form.reset(); refresh(); }
    while (!document.getElementById("record-" + place)) grow(PAGE);
    const made = document.getElementById("record-" + place);
    const button = made.querySelector("button");
    if (button.getAttribute("aria-expanded") === "false") button.click();
    made.scrollIntoView();
    made.focus({ preventScroll: true });
  }

  form.addEventListener("input", refresh);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(refresh));
  more.addEventListener("click", () => grow(PAGE));
  refresh();
  return { open, listen: (listener) => listeners.push(listener) };
})();
