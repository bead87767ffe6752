// A link that keeps model and parameters: numbers and names after the #, read back by name, never executed.

function writeLink(tab, setup) {
  const out = new URLSearchParams(), { model } = setup;
  out.set("m", model.id);
  if (model.group === "own") out.set("rows", JSON.stringify(model.given));
  for (const which of setup.compare ? ["A", "B"] : ["A"]) {
    for (const p of model.parameters) if (setup[which][p.name] !== p.value) out.set(`${which}.${p.name}`, String(setup[which][p.name]));
  }
  if (setup.compare) out.set("compare", "1");
  out.set("s", setup.kind);
  for (const [name] of STIMULI[setup.kind].fields) out.set(`s.${name}`, String(setup.stimulus[name]));
  if (setup.kind === "drawn") out.set("points", setup.stimulus.points.map((p) => p.join(",")).join(";"));
  if (setup.kind === "poisson") {
    out.set("s.steady", String(setup.steady));
    for (const [name, p] of Object.entries(setup.ports)) out.set(`port.${name}`, `${p.rate},${p.weight}`);
  }
  for (const [name, x] of Object.entries(setup.others)) if (x) out.set(`o.${name}`, String(x));
  out.set("dt", String(setup.dt));
  out.set("until", String(setup.until));
  out.set("seed", String(setup.seed));
  return `#${tab}?${out}`;
}

// The tab and the settings of a link; anything in it that is not what it should be is left out.
function readLink(hash) {
  const [tab, query = ""] = hash.slice(1).split(/\?(.*)/s);
  return { tab, settings: new URLSearchParams(query.slice(0, 60000)) };
}

const $number = (text, low = -1e12, high = 1e12) => {
  const x = text === null || text.trim() === "" ? NaN : Number(text);
  return x >= low && x <= high ? x : null;
};

function applyLink(setup, settings) {
  const take = (key, low, high, use) => {
    const x = $number(settings.get(key), low, high);
    if (x !== null) use(x);
  };
  for (const which of ["A", "B"]) {
    for (const p of setup.model.parameters) {
      take(`${which}.${p.name}`, p.least ?? -1e12, 1e12, (x) => {
        if (!(p.open && x <= 0)) setup[which][p.name] = x;
      });
    }
  }
  setup.compare = settings.get("compare") === "1";
  take("dt", 0.001, 5, (x) => (setup.dt = x));
  take("until", 1, 10000, (x) => (setup.until = x));
  take("seed", 0, 2 ** 31, (x) => (setup.seed = Math.round(x)));
  if (setup.until / setup.dt > 400000) setup.dt = setup.until / 400000;
  const kind = settings.get("s");
  if (setup.kinds.includes(kind)) setup.kind = kind;
  for (const [name, , , what] of STIMULI[setup.kind].fields) {
    const [low, high] = what === "count" ? [0, 100] : what === "width" ? [1e-3, 1e5] : what === "time" ? [0, 1e5] : [-1e12, 1e12];
    take(`s.${name}`, what === "spread" ? 0 : low, high, (x) => (setup.stimulus[name] = x));
  }
  take("s.steady", -1e12, 1e12, (x) => (setup.steady = x));
  for (const [name, port] of Object.entries(setup.ports)) {
    const [rate, weight] = (settings.get(`port.${name}`) ?? "").split(",");
    const r = $number(rate ?? null, 0, 1e6), w = $number(weight ?? null);
    if (r !== null && w !== null) Object.assign(port, { rate: r, weight: w });
  }
  for (const o of setup.model.others) take(`o.${o.name}`, -1e12, 1e12, (x) => (setup.others[o.name] = x));
  const points = (settings.get("points") ?? "").split(";").slice(0, 400).map((pair) => pair.split(",").map((x) => $number(x)));
  if (points.length > 1 && points.every((p, i) => p.length === 2 && p[0] !== null && p[1] !== null && (!i || p[0] > points[i - 1][0]))) setup.stimuli.drawn.points = points;
}
