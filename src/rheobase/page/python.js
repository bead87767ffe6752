// The Python for what is on the screen.

const $quote = (text) => JSON.stringify(text); // its escapes are Python's, too

function $value(x, unit) {
  const number = String(x).replace("Infinity", "inf");
  return unit ? $quote(`${number} ${unit}`) : number;
}

function $neuronText(rows, values, name) {
  const lines = [`evolve=${$quote(rows.evolve)}`];
  const ports = Object.entries(rows.receive ?? {});
  if (ports.length === 1 && ports[0][0] === "spikes") lines.push(`receive=${$quote(ports[0][1])}`);
  else if (ports.length) lines.push(`receive={${ports.map(([p, text]) => `${$quote(p)}: ${$quote(text)}`).join(", ")}}`);
  for (const key of ["threshold", "hazard", "reset"]) if (rows[key]) lines.push(`${key}=${$quote(rows[key])}`);
  const held = Object.entries(rows.refractory ?? {});
  if (held.length) lines.push(`refractory={${held.map(([s, t]) => `${$quote(s)}: ${$quote(t)}`).join(", ")}}`);
  if (name) lines.push(`name=${$quote(name)}`);
  return `rb.Neuron(\n${[...lines, ...values].map((line) => `    ${line},\n`).join("")})`;
}

function $modelText(setup, which) {
  const { model } = setup;
  const changed = model.parameters.filter((p) => setup[which][p.name] !== p.value).map((p) => `${p.name}=${$value(setup[which][p.name], p.unit)}`);
  if (model.group === "own") {
    const values = model.parameters.map((p) => `${p.name}=${$value(setup[which][p.name], p.unit)}`);
    for (const [name, x] of Object.entries(model.fixed)) values.push(`${name}=${$value(x, name)}`);
    for (const s of model.states) if (s.initial !== null) values.push(`${s.name}=${$value(s.initial, s.unit)}`);
    const current = model.drive && model.drive.name in model.currents ? [`${model.drive.name}=${$value(model.currents[model.drive.name], model.drive.unit)}`] : [];
    return [[], $neuronText(model.rows, [...values, ...current], model.title)];
  }
  const begin = model.group === "pattern" ? [`pattern, stimulus, dt, until, _ = rb.izhikevich_pattern(${$quote(model.python)})`] : [];
  const base = model.group === "pattern" ? "pattern" : model.python;
  return [begin, changed.length ? `${base}.replace(${changed.join(", ")})` : base];
}

function $stimulusText(setup) {
  const s = setup.stimulus, unit = setup.model.drive?.unit ?? "", I = (x) => $value(x, unit), ms = (x) => $value(x, "ms");
  switch (s.kind) {
    case "step": return `rb.step(${I(s.amplitude)}, on=${ms(s.on)}, off=${ms(s.off)})`;
    case "pulses": return `rb.pulses(${I(s.amplitude)}, starts=[${$starts(s).join(", ")}], width=${ms(s.width)})`;
    case "ramp": return `rb.ramp(${I(s.first)}, ${I(s.last)}, on=${ms(s.on)}, off=${ms(s.off)})`;
    case "noise": return `rb.ou(${I(s.mean)}, ${I(s.sd)}, ${ms(s.tau)}, frozen=True)`;
    case "drawn": return `rb.sampled([${s.points.map((p) => p[1]).join(", ")}], times=[${s.points.map((p) => p[0]).join(", ")}], interpolate="linear"${unit ? `, unit=${$quote(unit)}` : ""})`;
    case "pieces": return 'rb.sampled(stimulus["samples"], dt=dt)';
  }
  return "";
}

function pythonText(setup) {
  const { model } = setup, drive = model.drive?.name, lines = ["import rheobase as rb", ""], given = [];
  const sets = setup.compare ? ["A", "B"] : ["A"];
  let begin = [];
  const texts = sets.map((which) => {
    const [first, text] = $modelText(setup, which);
    begin = first;
    return text;
  });
  lines.push(...begin);
  texts.forEach((text, i) => lines.push(`${sets.length > 1 ? `model_${sets[i].toLowerCase()}` : "model"} = ${text}`));
  if (setup.kind === "poisson") {
    if (drive) given.push(`${drive}=${$value(setup.steady, model.drive.unit)}`);
    for (const p of model.ports) {
      const { rate, weight } = setup.ports[p.name];
      if (rate > 0) given.push(`${p.name}=rb.poisson(${$value(rate, "Hz")}, weight=${$value(weight, p.unit)})`);
    }
  } else given.push(`${drive}=${$stimulusText(setup)}`);
  for (const o of model.others) given.push(`${o.name}=${$value(setup.others[o.name], o.unit)}`);
  given.push(`until=${$value(setup.until, "ms")}`, `dt=${$value(setup.dt, "ms")}`);
  if (setup.program.method === "sequential euler") given.push('method="sequential euler"');
  given.push(`seed=${setup.seed}`);
  for (const which of sets) {
    const tail = sets.length > 1 ? `_${which.toLowerCase()}` : "";
    lines.push(`run${tail} = rb.simulate(model${tail}, ${given.join(", ")})`);
  }
  for (const which of sets) lines.push(`print(run${sets.length > 1 ? `_${which.toLowerCase()}` : ""}.spikes[0])`);
  return `${lines.join("\n")}\n`;
}
