(() => {
  const place = document.getElementById("plane");
  if (!place || !data.points.length) return;
  const SVG = "http://www.w3.org/2000/svg";
  const points = data.points.map(([x, y, role, record]) => ({ x, y, role, record }));
  const shape = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const pointed = document.getElementById("pointed");
  const hint = [...pointed.children];
  const svg = shape("svg", { "aria-hidden": "true" });
  place.append(svg);
  let here = -1;
  let ring = null;
  let kept = null;
  const xs = points.map((point) => point.x), ys = points.map((point) => point.y);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];

  function kindOf(point) {
    if (point.role === "seeds") return "seeds";
    if (point.role !== "run") return data.marks[point.role.slice("baseline:".length)] || "baseline";
    return point.record < 0 || data.records[point.record].ok ? "run" : "rejected";
  }

  function markOf(kind, x, y, size) {
    const r = size * .85, [left, right, top, bottom] = [x - r, x + r, y - r, y + r].map((n) => n.toFixed(1));
    const outline = {
      seeds: "M" + x + "," + top + "L" + left + "," + bottom + "H" + right + "Z",
      rejected: "M" + left + "," + top + "L" + right + "," + bottom + "M" + left + "," + bottom + "L" + right + "," + top,
      "baseline b1": "M" + left + "," + top + "H" + right + "V" + bottom + "H" + left + "Z",
      "baseline b2": "M" + x + "," + (y - 1.3 * r) + "L" + right + "," + y + "L" + x + "," + (y + 1.3 * r) + "L" + left + "," + y + "Z",
    }[kind];
    if (outline) return shape("path", { class: "shape", d: outline });
    return shape("circle", { class: "shape", cx: x.toFixed(1), cy: y.toFixed(1), r: kind === "run" ? size : r });
  }

  function draw() {
    const width = place.clientWidth, edge = 18;
    const shape_of = (high - low) / (right - left || 1);
    const height = Math.max(280, Math.min(600, (width - 2 * edge) * shape_of + 2 * edge));
    const scale = Math.min((width - 2 * edge) / (right - left || 1), (height - 2 * edge) / (high - low || 1));
    const crowd = points.length / width;
    const size = crowd > 1.5 ? 2.4 : crowd > .35 ? 3.3 : 4.5;
    svg.setAttribute("viewBox", "0 0 " + width + " " + height);
    svg.replaceChildren();
    for (const point of points) {
      point.px = width / 2 + (point.x - (left + right) / 2) * scale;
      point.py = height / 2 - (point.y - (low + high) / 2) * scale;
      point.group = shape("g", { class: "mark " + kindOf(point) });
      point.group.append(markOf(kindOf(point), point.px, point.py, size));
      svg.append(point.group);
    }
    ring = shape("circle", { class: "here", r: size + 4, visibility: "hidden" });
    svg.append(ring);
    dim(kept);
    if (here >= 0) point_at(here);
  }

  function dim(matching) {
    kept = matching;
    for (const point of points) {
      point.group.classList.toggle("dim", matching !== null && !(point.role === "run" && matching.has(point.record)));
    }
  }

  function textOf(number) {
    const { role, record } = points[number];
    if (record < 0) return [role === "seeds" ? data.seeds : role.slice("baseline:".length), data.texts[number]];
    const entry = data.records[record];
    const text = entry.text || (entry.turns || []).map((turn) => turn[1]).join(" ");
    const facts = [entry.ok ? "" : "rejected", entry.genre, entry.topic, entry.persona].filter(Boolean).join(" · ");
    return [facts || entry.id, text.length > 420 ? text.slice(0, 420) + " …" : text];
  }

  function point_at(number) {
    here = number;
    const { px, py } = points[number];
    ring.setAttribute("cx", px);
    ring.setAttribute("cy", py);
    ring.setAttribute("visibility", "visible");
    const [facts, text] = textOf(number);
    pointed.replaceChildren(node("p", { class: "soft", dir: "auto" }, facts), node("p", { class: "text", dir: "auto" }, text));
  }

  function away() {
    here = -1;
    pointed.replaceChildren(...hint);
    ring.setAttribute("visibility", "hidden");
  }

  function nearest(x, y, within) {
    let best = -1, distance = within * within;
    points.forEach((point, number) => {
      if (point.group.classList.contains("dim")) return;
      const away_by = (point.px - x) ** 2 + (point.py - y) ** 2;
      if (away_by < distance) [best, distance] = [number, away_by];
    });
    return best;
  }

  function step(dx, dy) {
    if (here < 0) { point_at(nearest(place.clientWidth / 2, svg.clientHeight / 2, 1e9)); return; }
    const from = points[here];
    let best = -1, cost = Infinity;
    points.forEach((point, number) => {
      const along = (point.px - from.px) * dx + (point.py - from.py) * dy;
      const across = Math.abs((point.px - from.px) * dy) + Math.abs((point.py - from.py) * dx);
      if (number !== here && along > .5 && along + 2 * across < cost && !point.group.classList.contains("dim")) [best, cost] = [number, along + 2 * across];
    });
    if (best >= 0) point_at(best);
  }

  const at = (event) => {
    const box = svg.getBoundingClientRect();
    const number = nearest(event.clientX - box.left, event.clientY - box.top, 26);
    if (number < 0) away(); else if (number !== here) point_at(number);
  };
  const open = () => here >= 0 && points[here].record >= 0 && listing && listing.open(points[here].record);
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  place.addEventListener("pointermove", at);
  place.addEventListener("pointerdown", at);
  place.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && away());
  place.addEventListener("blur", away);
  place.addEventListener("click", open);
  place.addEventListener("keydown", (event) => {
    if (steps[event.key]) { event.preventDefault(); step(...steps[event.key]); }
    else if (event.key === "Enter") open();
    else if (event.key === "Escape") away();
  });
  draw();
  if (listing) listing.listen(dim);
  new ResizeObserver(draw).observe(place);
})();
