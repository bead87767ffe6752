// What is on the screen as a file: PNG and SVG of the traces, CSV of their numbers.

function $download(name, blob) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  toast(`${name} is saved`);
}

const $fileName = (setup, ending) => `${setup.model.id.replace(/[^\w-]+/g, "_")}.${ending}`;

function csvText(tab) {
  const { setup, results } = tab, { states } = setup.program, drive = setup.model.drive, sets = Object.keys(results);
  const tail = (which) => (sets.length > 1 ? `_${which}` : "");
  const head = ["t_ms", ...(drive ? [`${drive.name}${drive.unit ? `_${drive.unit}` : ""}`] : [])];
  for (const which of sets) head.push(...setup.model.states.map((s) => `${s.name}${s.unit ? `_${s.unit}` : ""}${tail(which)}`), `spike${tail(which)}`);
  const fired = Object.fromEntries(sets.map((which) => [which, new Set(results[which].steps)]));
  const lines = [head.join(",")];
  for (let k = 0; k <= setup.total; k++) {
    const row = [String(Number((k * setup.dt).toPrecision(12)))];
    if (drive) row.push(String(results.A.current[k]));
    for (const which of sets) row.push(...states.map((s) => String(results[which].traces[s][k])), fired[which].has(k) ? "1" : "0");
    lines.push(row.join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}

function saveCsv(tab) {
  $download($fileName(tab.setup, "csv"), new Blob([csvText(tab)], { type: "text/csv" }));
}

const $escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

// What tells the sets apart: the values in which they differ.
function $legend({ model, A, B, compare }) {
  if (!compare) return [];
  const differ = model.parameters.filter((p) => A[p.name] !== B[p.name]).slice(0, 3);
  return [["A", A], ["B", B]].map(([which, set]) => [which, differ.map((p) => `${plainName(p.name)} = ${short(set[p.name])}${p.unit ? ` ${unitText(p.unit)}` : ""}`).join(", ")]);
}

// The traces as one drawing, panel under panel, with the colours of the page.
function svgText(tab) {
  const { setup, results } = tab, c = colours(), W = 800, left = 70, right = 20, out = [], sets = Object.entries(results);
  const panels = tab.plots.map(({ group, current }) => ({
    title: current ? [[withUnit(setup.model.drive.name, setup.model.drive.unit), c.soft]] : [...group.states.map((s, i) => [`${plainName(s.name)} `, sets.length > 1 || group.states.length < 2 ? c.soft : [c.a, c.c, c.e, c.d, c.b][i % 5]]), [group.unit ? `(${unitText(group.unit)})` : "", c.soft]],
    rows: current ? [[results.A.current, c.ink]] : sets.flatMap(([which, r]) => group.states.map((s, i) => [r.traces[s.name], sets.length > 1 ? (which === "A" ? c.a : c.b) : [c.a, c.c, c.e, c.d, c.b][i % 5]])),
    height: current ? 90 : group === tab.plots[0].group ? 200 : 100,
  }));
  let top = 46;
  const x = (t) => left + (t / setup.until) * (W - left - right);
  for (const { title, rows, height } of panels) {
    const values = rows.map((r) => r[0]), [low, high] = top === 46 ? $withRoom(values) : padded(...$extent(values)), y = (v) => top + height - ((v - low) / (high - low)) * height;
    out.push(`<text x="${left}" y="${top - 6}" font-size="12">${title.map(([text, colour]) => `<tspan fill="${colour}">${$escape(text)}</tspan>`).join("")}</text>`);
    for (const v of ticks(low, high, Math.max(2, height / 40))) {
      out.push(`<path d="M${left} ${y(v).toFixed(1)}H${W - right}" stroke="${c.line}"/><text x="${left - 6}" y="${(y(v) + 4).toFixed(1)}" text-anchor="end" font-size="11" fill="${c.soft}">${$escape(short(v))}</text>`);
    }
    for (const [row, colour] of rows) {
      const every = Math.max(1, Math.floor(row.length / 3000)), points = [];
      for (let k = 0; k < row.length; k += every) if (Number.isFinite(row[k])) points.push(`${x(k * setup.dt).toFixed(2)} ${y(row[k]).toFixed(2)}`);
      out.push(`<path d="M${points.join("L")}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-linejoin="round"/>`);
    }
    if (top === 46) sets.forEach(([which, r], row) => out.push(...r.spikes.map((t) => `<path d="M${x(t).toFixed(2)} ${top + 2 + row * 10}v8" stroke="${which === "A" ? c.a : c.b}" stroke-width="1.3"/>`)));
    top += height + 30;
  }
  const axis = top - 24;
  out.push(`<path d="M${left} ${axis}H${W - right}" stroke="${c.soft}"/>`);
  for (const t of ticks(0, setup.until, 8)) out.push(`<text x="${x(t).toFixed(1)}" y="${axis + 16}" text-anchor="middle" font-size="11" fill="${c.soft}">${$escape(short(t))}</text>`);
  out.push(`<text x="${W / 2}" y="${axis + 32}" text-anchor="middle" font-size="12" fill="${c.soft}">time (ms)</text>`);
  const height = axis + 44;
  $legend(setup).forEach(([which, text], i) => out.push(`<text x="${W - right}" y="${16 + 14 * i}" text-anchor="end" font-size="11" fill="${which === "A" ? c.a : c.b}">${which}: ${$escape(text || "the same")}</text>`));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${height}" width="${W}" height="${height}" font-family="sans-serif"><rect width="100%" height="100%" fill="${c.card}"/><text x="${left}" y="22" font-size="15" font-weight="600" fill="${c.ink}">${$escape(setup.model.label ?? setup.model.title)}</text>${out.join("")}</svg>`;
}

function saveSvg(tab) {
  $download($fileName(tab.setup, "svg"), new Blob([svgText(tab)], { type: "image/svg+xml" }));
}

function savePng(tab) {
  const text = svgText(tab), image = new Image();
  image.onload = () => {
    const canvas = el("canvas", { width: 2 * image.width, height: 2 * image.height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => $download($fileName(tab.setup, "png"), blob), "image/png");
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}
