// Currents and arriving spikes on a grid, as rheobase/network/stimulus.py and sources.py sample them: the values held
// on [t_k, t_k+1). A stimulus is {kind, ...numbers}; its sampler has the form that Simulation takes.

const $EDGE = 1e-6; // of a step: an edge this close to a grid point lies on it

const $after = (t, edge, dt) => t >= edge - $EDGE * dt;
const $inside = (t, on, off, dt) => $after(t, on, dt) && !$after(t, off, dt);

function $sampler(dt, at) {
  return (k0, k1) => {
    const data = new Float64Array(k1 - k0);
    for (let k = k0; k < k1; k++) data[k - k0] = at(k * dt, k);
    return { data, step: 1, each: 0 };
  };
}

const $starts = (s) => Array.from({ length: Math.max(0, Math.round(s.count)) }, (_, i) => s.on + i * s.period);

// What an Ornstein-Uhlenbeck current of rheobase.ou(..., frozen=True) is at each step, for n neurons that share it.
function $noiseSampler(s, dt, key) {
  const decay = Math.exp(-dt / s.tau), spread = Math.sqrt(-Math.expm1((-2 * dt) / s.tau));
  const first = normals(deriveKey(key, "start"), 1, 0, 1, key)[0];
  let k = 0, x = first;
  return (k0, k1) => {
    if (k0 < k) [k, x] = [0, first];
    const z = normals(key, 1, k, k1), begin = k, data = new Float64Array(k1 - k0);
    for (; k < k1; k++) {
      if (k >= k0 && $inside(k * dt, s.on, s.off, dt)) data[k - k0] = s.mean + s.sd * x;
      x = x * decay + spread * z[k - begin];
    }
    return { data, step: 1, each: 0 };
  };
}

// Points [t, value], joined by straight lines; 0 before the first, the last value after the last.
function $drawnSampler(s, dt) {
  const points = s.points;
  return $sampler(dt, (t) => {
    let i = -1;
    while (i + 1 < points.length && points[i + 1][0] <= t + $EDGE * dt) i++;
    if (i < 0) return 0;
    const j = Math.min(i, points.length - 2);
    if (j < 0) return points[0][1];
    const share = Math.min(Math.max((t - points[j][0]) / (points[j + 1][0] - points[j][0]), 0), 1);
    return points[j][1] + (points[j + 1][1] - points[j][1]) * share;
  });
}

const SAMPLERS = {
  none: (s, dt) => $sampler(dt, () => 0),
  step: (s, dt) => $sampler(dt, (t) => ($inside(t, s.on, s.off, dt) ? s.amplitude : s.base)),
  pulses: (s, dt) => {
    const starts = $starts(s);
    return $sampler(dt, (t) => (starts.some((b) => $inside(t, b, b + s.width, dt)) ? s.amplitude : s.base));
  },
  ramp: (s, dt) => $sampler(dt, (t) => s.first + (s.last - s.first) * Math.min(Math.max((t - s.on) / (s.off - s.on), 0), 1)),
  noise: $noiseSampler,
  drawn: $drawnSampler,
  pieces: (s, dt) => {
    // [first step, start, value, slope], see rheobase/explorer/catalogue.py
    return $sampler(dt, (t, k) => {
      let i = s.pieces.length - 1;
      while (i > 0 && s.pieces[i][0] > k) i--;
      const [, start, value, slope] = s.pieces[i];
      return value + slope * (t - start);
    });
  },
};

// The key of the input `name` of a run with that seed (a single population has no name).
const inputKey = (seed, name) => deriveKey(seed, "", "input", name);

function sampleCurrent(stimulus, dt, seed, name) {
  return SAMPLERS[stimulus.kind](stimulus, dt, inputKey(seed, name));
}

// Poisson spikes at a port, of `rate` Hz (or one rate for each of n neurons), with one weight, as rheobase.poisson sends
// them.
function samplePort(source, dt, seed, port, additive, n = 1) {
  const key = deriveKey(seed, "", "port", port);
  return (k0, k1) => {
    const rates = typeof source.rate === "number" ? new Float64Array(n).fill(source.rate) : source.rate;
    const expected = rates.map((rate) => (rate * 1e-3) * dt);
    const on = (k) => $after(k * dt, source.on ?? 0, dt) && k * dt < (source.off ?? Infinity) - $EDGE * dt;
    return deliver(poissonCounts(key, expected, k0, k1, on), source.weight, additive);
  };
}

// Spikes of one neuron at given times (ms), each with the same weight; they act at the first grid point not before.
function sampleTimes(times, weight, dt, additive) {
  const steps = times.map((t) => Math.ceil(t / dt - 1e-6));
  return (k0, k1) => {
    const counts = new Int32Array(k1 - k0);
    for (const k of steps) if (k > k0 && k <= k1) counts[k - 1 - k0]++;
    return deliver(counts, weight, additive);
  };
}

// Counts of arrivals as the engine takes them: sums of weights, or one after the other where they do not simply add.
function deliver(counts, weight, additive) {
  if (additive) return Float64Array.from(counts, (c) => c * weight);
  const edges = new Int32Array(counts.length + 1);
  counts.forEach((c, i) => (edges[i + 1] = edges[i] + c));
  return { edges, weights: new Float64Array(edges[counts.length]).fill(weight) };
}
