// The calls of a record in the order in which they began, each where it lay in time.
function pathOf(record) {
  const calls = record.path;
  if (!calls) return node("p", { class: "soft" }, "No call of this record is on the page.");
  const end = Math.max(...calls.map((call) => call[1] + call[2]), 1e-9);
  const rows = calls.map(([agent, start, seconds, tokensIn, tokensOut, usd, said], place) => {
    const own = agent === "conductor" ? "of-conductor" : "";
    const style = "left:" + (100 * start / end).toFixed(1) + "%;width:" + (100 * seconds / end).toFixed(1) + "%";
    const bar = node("span", { class: own });
    bar.style.cssText = style;
    return node("li", {},
      node("span", { class: "n" }, place + 1),
      node("span", { class: agent === "conductor" ? "conductor" : "" }, agent.replaceAll("_", " ")),
      node("span", { class: "track", "aria-hidden": "true" }, bar),
      node("span", { class: "used" }, seconds.toFixed(2) + " s · " + number(tokensIn) + " → " + number(tokensOut) + (usd ? " · $" + usd.toPrecision(2) : "")),
      node("span", { class: "said", dir: "auto" }, said));
  });
  return node("ol", { class: "path" }, rows);
}

function detailsOf(record) {
  const rows = [];
  const add = (label, value) => value && rows.push(node("div", {}, node("dt", {}, label), node("dd", { dir: "auto" }, value)));
  add("topic", record.topic);
  add("summary", record.summary);
  add("keywords", record.keywords);
  for (const [id, text] of record.from || []) add("from " + id, text);
  add("experts, in order", (record.experts || []).map((name) => name.replaceAll("_", " ")).join(" → "));
  add("sent back for", (record.refusals || []).join(", "));
  if (record.near) add("nearest earlier record", record.near[0] + (record.near[1] === null ? "" : ", cosine distance " + record.near[1].toFixed(3)));
  if (record.checked) {
    const [passed, detail] = record.checked;
    add("checker", (passed === null ? "could not judge" : passed ? "passed" : "failed") + (detail ? ": " + detail : ""));
  }
  for (const [what, criterion, score, round] of record.scores || []) {
    add("student, " + what, criterion + " " + score.toPrecision(4) + ", round " + round);
  }
  const [calls, tokensIn, tokensOut, usd] = record.cost;
  const seconds = (record.path || []).reduce((sum, call) => sum + call[2], 0);
  add("cost", plural(calls, "call") + ", " + number(tokensIn) + " tokens in, " + number(tokensOut) + " out" + (seconds ? ", " + seconds.toFixed(1) + " s of calls" : "") + (usd ? ", $" + usd.toPrecision(3) : ""));
  add("whole trace", "metasynth trace DIR " + record.id);
  add("models", record.models);
  return node("div", { class: "more" },
    node("h3", { style: "margin-top:0" }, "Path through the graph"), pathOf(record),
    node("h3", {}, "Particulars"), node("dl", { class: "pairs" }, rows));
}
