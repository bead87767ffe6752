// The page's parts: everything is made element by element, texts are texts, so nothing a model says becomes HTML.

const $MATH = "http://www.w3.org/1998/Math/MathML";

// Make an element: properties, "on..." listeners, "aria-..."/"data-..." attributes; children are elements or texts.
function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "for" || key === "role") node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// MathML from nested lists, [tag, child, ...].
function math(tree, display = false) {
  const make = (part) => {
    if (typeof part === "string") return document.createTextNode(part);
    const node = document.createElementNS($MATH, part[0]);
    if (part[0] === "mspace") node.setAttribute("width", "0.2em");
    if (part[0] === "mi" && part[1].length > 1) node.setAttribute("mathvariant", "normal");
    node.append(...part.slice(1).map(make));
    return node;
  };
  const root = document.createElementNS($MATH, "math");
  if (display) root.setAttribute("displaystyle", "true");
  root.append(make(tree));
  return root;
}

// A line of the table: a formula that may be broken before the terms of its outermost sum.
function formula(tree) {
  const flat = (part) => (part[0] === "mrow" && part[1]?.[1] !== "(" ? part.slice(1).flatMap(flat) : [part]);
  const pieces = [["mrow"]];
  let before = null;
  for (const part of flat(tree)) {
    const sum = part[0] === "mo" && (part[1] === "+" || part[1] === "−");
    if (sum && before !== null && before[0] !== "mo") pieces.push(["mrow"]);
    pieces.at(-1).push(part);
    before = part;
  }
  const parts = pieces.map((piece) => math(piece, true));
  for (const part of parts.slice(1)) part.querySelector("mo")?.setAttribute("form", "infix"); // the sign between two terms
  return el("div", { className: "formula" }, parts.flatMap((part, i) => (i ? [el("wbr"), part] : [part])));
}

// The table of a neuron, typeset.
function rowTable(table) {
  return el("table", { className: "rows" }, el("tbody", {}, table.map(([heading, lines]) => el("tr", {}, el("th", { scope: "row" }, heading), el("td", {}, lines.map(formula))))));
}

// A name as mathematics: Greek letters, what follows an underscore below the line.
function nameTree(name) {
  const [head, ...tail] = name.replace(/^([A-Za-z]+)(\d+)$/, "$1_$2").split("_"), first = ["mi", $SHOWN[head] ?? head];
  if (!tail.length) return first;
  const below = tail.map((part) => $SHOWN[part] ?? part).join(",");
  return ["msub", first, [/^\d+$/.test(below) ? "mn" : "mi", below]];
}

// A name as plain text, for canvas, files and screen readers.
const $SHOWN = Object.assign(Object.create(null), { alpha: "α", beta: "β", gamma: "γ", delta: "δ", Delta: "Δ", epsilon: "ε", eta: "η", theta: "ϑ", lambda_: "λ", mu: "μ", nu: "ν", rho: "ρ", sigma: "σ", Sigma: "Σ", tau: "τ", phi: "φ", chi: "χ", psi: "ψ", omega: "ω", Omega: "Ω", Gamma: "Γ", xi: "ξ" });
const $UNITS = { MOhm: "MΩ", uS: "µS", uA: "µA" };

function plainName(name) {
  const [head, ...tail] = name.split("_");
  return ($SHOWN[head] ?? head) + (tail.length ? `_${tail.join("_")}` : "");
}

const unitText = (unit) => unit.replace(/MOhm|uS|uA/g, (u) => $UNITS[u]);
const withUnit = (name, unit) => (unit ? `${plainName(name)} (${unitText(unit)})` : plainName(name));

// A number with so many significant digits, without trailing zeros.
function short(x, digits = 4) {
  if (!Number.isFinite(x)) return "–";
  return String(Number(x.toPrecision(digits))).replace("-", "−");
}

let $count = 0;
const newId = (stem) => `${stem}-${++$count}`;

// ---------------------------------------------------------------- controls

// A slider with a field for exact values. `spec`: name, tree, unit, low, high, log, least, open; values in model units.
function slider(spec, value, onchange, { tone = "a", label = true } = {}) {
  const id = newId("slider"), steps = 1000;
  const to = (x) => (spec.log ? Math.log(x / spec.low) / Math.log(spec.high / spec.low) : (x - spec.low) / (spec.high - spec.low));
  const from = (f) => {
    const x = spec.log ? spec.low * (spec.high / spec.low) ** f : spec.low + f * (spec.high - spec.low);
    const digits = Math.max(3, Math.ceil(Math.log10(Math.max(Math.abs(spec.low), Math.abs(spec.high)) / ((spec.high - spec.low) / 1000) + 1)));
    const rounded = Number(x.toPrecision(spec.log ? 3 : digits));
    return spec.whole ? Math.round(rounded) : Math.abs(rounded) < (spec.high - spec.low) * 1e-9 ? 0 : rounded;
  };
  const range = el("input", { type: "range", id, min: 0, max: steps, step: 1, className: `tone-${tone}` });
  const field = el("input", { type: "text", inputMode: "decimal", className: `number tone-${tone}`, autocomplete: "off", spellcheck: false });
  const problem = el("span", { className: "problem", role: "alert" });
  const described = `${plainName(spec.name)}${tone === "b" ? ", set B" : ""}`;
  range.setAttribute("aria-label", `${described}${spec.unit ? ` in ${unitText(spec.unit)}` : ""}`);
  field.setAttribute("aria-label", `${described}, exact value`);
  let now = value;

  function show(x) {
    now = x;
    const place = Math.min(Math.max(to(x), 0), 1);
    range.value = String(Math.round(place * steps));
    range.style.setProperty("--filled", `${100 * place}%`);
    range.setAttribute("aria-valuetext", `${short(x)} ${unitText(spec.unit ?? "")}`);
    if (document.activeElement !== field) field.value = String(Number(x.toPrecision(10)));
    problem.textContent = "";
    field.removeAttribute("aria-invalid");
  }
  function legal(text) {
    const x = Number(text.replace("−", "-").replace(",", "."));
    if (text.trim() === "" || !Number.isFinite(x)) return [null, "a number is wanted"];
    if (spec.open && x <= 0) return [null, "must be above 0"];
    if (spec.least !== null && spec.least !== undefined && x < spec.least) return [null, `must be ${short(spec.least)} or more`];
    if (spec.most !== undefined && x > spec.most) return [null, `must be ${short(spec.most)} or less`];
    if (spec.whole && x !== Math.round(x)) return [null, "a whole number is wanted"];
    return [x, ""];
  }
  range.addEventListener("input", () => {
    show(from(Number(range.value) / steps));
    onchange(now);
  });
  field.addEventListener("input", () => {
    const [x, complaint] = legal(field.value);
    problem.textContent = complaint;
    if (complaint) field.setAttribute("aria-invalid", "true");
    if (x !== null) {
      show(x);
      onchange(x);
    }
  });
  field.addEventListener("blur", () => show(now));
  show(value);
  const unit = el("span", { className: "unit" }, unitText(spec.unit ?? ""));
  const name = label ? el("label", { for: id, className: "name", title: `${short(spec.low)} to ${short(spec.high)} ${unitText(spec.unit ?? "")}` }, spec.text ?? math(spec.tree ?? nameTree(spec.name))) : null;
  const node = el("div", { className: `slider${label ? "" : " second"}` }, name, range, el("span", { className: "value" }, field, unit), problem);
  node.dataset.name = spec.name;
  return { node, show, range, field };
}

function button(text, onclick, className = "", title = "") {
  return el("button", { type: "button", className, onclick, title }, text);
}

// Buttons of which one is chosen; `choices`: [[value, text], ...].
function segmented(label, choices, value, onchange) {
  const group = el("div", { className: "segmented", role: "radiogroup", "aria-label": label });
  const name = newId("choice");
  for (const [key, text] of choices) {
    const input = el("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) });
    group.append(el("label", {}, input, el("span", {}, text)));
  }
  return { node: group, show: (key) => group.querySelectorAll("input").forEach((i) => (i.checked = i.value === key)) };
}

// A short message at the foot of the window, read out by screen readers.
let $toastTimer = 0;
function toast(text) {
  const node = document.getElementById("toast");
  node.textContent = text;
  node.classList.add("shown");
  clearTimeout($toastTimer);
  $toastTimer = setTimeout(() => node.classList.remove("shown"), 2600);
}

async function copyText(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    // no clipboard (a page from a file, an older browser): show the text to be copied by hand
    const area = el("textarea", { value: text, readOnly: true, rows: 12, "aria-label": "Text to copy" });
    const box = el("dialog", { className: "copy" }, el("p", {}, "Copy this text:"), area, button("Close", () => box.close()));
    box.addEventListener("close", () => box.remove());
    document.body.append(box);
    box.showModal();
    area.select();
  }
}

// ---------------------------------------------------------------- looks

const LOOKS = ["auto", "light", "dark"];

function setLook(look) {
  if (look === "auto") document.documentElement.removeAttribute("data-look");
  else document.documentElement.dataset.look = look;
  $colours = null;
  document.dispatchEvent(new Event("look"));
}

let $colours = null;
// The colours of the style sheet, for what is drawn on canvas.
function colours() {
  if ($colours === null) {
    const style = getComputedStyle(document.documentElement);
    $colours = new Proxy({}, { get: (_, name) => style.getPropertyValue(`--${String(name)}`).trim() });
    const found = {};
    for (const name of ["paper", "card", "ink", "soft", "line", "a", "b", "c", "d", "e", "water", "deep", "fired", "wash"]) found[name] = $colours[name];
    $colours = found;
  }
  return $colours;
}

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
// whole pixels: uPlot enlarges no others on screens of a finer grain
const font = (size = 0.78) => `${Math.round(size * rem())}px ${getComputedStyle(document.body).fontFamily}`;
const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Prepare a canvas for drawing in CSS pixels; returns its context, width and height.
function prepare(canvas) {
  const ratio = Math.min(devicePixelRatio || 1, 2.5), box = canvas.getBoundingClientRect();
  const w = Math.max(1, Math.round(box.width * ratio)), h = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, box.width, box.height);
  return [context, box.width, box.height];
}
