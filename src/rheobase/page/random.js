// The random numbers of rheobase/random.py, bit for bit: hashes of 64 bits, kept as two halves of 32.

const $MASK = (1n << 64n) - 1n;
const $GOLDEN = 0x9e3779b97f4a7c15n;

function mix(z) {
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & $MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & $MASK;
  return z ^ (z >> 31n);
}

// A key for a seed and a path of texts and whole numbers from 0.
function deriveKey(seed, ...names) {
  let key = mix((BigInt(seed) + $GOLDEN) & $MASK);
  for (const name of names) {
    const data = typeof name === "number" ? [] : [...new TextEncoder().encode(name)];
    if (typeof name === "number") for (let i = 0, x = BigInt(name); i < 9; i++, x >>= 8n) data.push(Number(x & 255n));
    for (let i = 0; i < Math.max(data.length, 1); i += 8) {
      let word = 0n;
      data.slice(i, i + 8).forEach((byte, j) => (word |= BigInt(byte) << BigInt(8 * j)));
      key = mix(((key + $GOLDEN) & $MASK) ^ word);
    }
    key = mix((key + BigInt(data.length)) & $MASK);
  }
  return key;
}

const stepKey = (key, step) => mix(((key ^ 0xd1b54a32d192ed03n) + BigInt(step + 1) * $GOLDEN) & $MASK);
const neuronKey = (key, i) => mix((key + BigInt(i + 1) * $GOLDEN) & $MASK);

// ---------------------------------------------------------------- many at once, in halves: upper in $word[0], lower in $word[1]

const $word = new Uint32Array(2);

// Hash the sum of two keys, a neuron's and a step's, into $word. All in local whole numbers of 32 bits: products of
// two of them are put together from halves of 16.
function $hash(kh, kl, sh, sl) {
  const sum = kl + sl;
  let l = sum >>> 0, h = (kh + sh + (sum > 4294967295 ? 1 : 0)) >>> 0, t = 0, low = 0, carry = 0;
  l = (l ^ ((l >>> 30) | (h << 2))) >>> 0;
  h = (h ^ (h >>> 30)) >>> 0;
  // times 0xbf58476d1ce4e5b9
  t = Math.imul(l & 0xffff, 0xe5b9) >>> 0;
  low = t & 0xffff;
  t = (Math.imul(l >>> 16, 0xe5b9) >>> 0) + (t >>> 16);
  carry = t >>> 16;
  t = (Math.imul(l & 0xffff, 0x1ce4) >>> 0) + (t & 0xffff);
  h = (Math.imul(l >>> 16, 0x1ce4) + carry + (t >>> 16) + Math.imul(h, 0x1ce4e5b9) + Math.imul(l, 0xbf58476d)) >>> 0;
  l = ((t << 16) | low) >>> 0;
  l = (l ^ ((l >>> 27) | (h << 5))) >>> 0;
  h = (h ^ (h >>> 27)) >>> 0;
  // times 0x94d049bb133111eb
  t = Math.imul(l & 0xffff, 0x11eb) >>> 0;
  low = t & 0xffff;
  t = (Math.imul(l >>> 16, 0x11eb) >>> 0) + (t >>> 16);
  carry = t >>> 16;
  t = (Math.imul(l & 0xffff, 0x1331) >>> 0) + (t & 0xffff);
  h = (Math.imul(l >>> 16, 0x1331) + carry + (t >>> 16) + Math.imul(h, 0x133111eb) + Math.imul(l, 0x94d049bb)) >>> 0;
  l = ((t << 16) | low) >>> 0;
  $word[1] = l ^ ((l >>> 31) | (h << 1));
  $word[0] = h ^ (h >>> 31);
}

// The keys of `count` steps from k0 (or of neurons) as a list of halves.
function $halves(count, at) {
  const out = new Uint32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const key = at(i);
    out[2 * i] = Number(key >> 32n);
    out[2 * i + 1] = Number(key & 0xffffffffn);
  }
  return out;
}

// Keys of steps k0..k1-1: the hash of (key ^ constant) + (k + 1) GOLDEN.
function $stepHalves(key, k0, k1) {
  const base = ((key ^ 0xd1b54a32d192ed03n) + BigInt(k0 + 1) * $GOLDEN) & $MASK;
  let bh = Number(base >> 32n), bl = Number(base & 0xffffffffn);
  const out = new Uint32Array(2 * Math.max(k1 - k0, 0));
  for (let i = 0; i < k1 - k0; i++) {
    $hash(bh, bl, 0, 0);
    out[2 * i] = $word[0];
    out[2 * i + 1] = $word[1];
    const low = bl + 0x7f4a7c15;
    bl = low >>> 0;
    bh = (bh + 0x9e3779b9 + (low > 0xffffffff ? 1 : 0)) >>> 0;
  }
  return out;
}

// The keys of n neurons; those used last are kept, since a run asks for them in every piece.
const $kept = new Map();

function neuronHalves(key, n) {
  const known = `${key} ${n}`;
  if (!$kept.has(known)) {
    if ($kept.size > 24) $kept.clear();
    $kept.set(known, $halves(n, (i) => neuronKey(key, i)));
  }
  return $kept.get(known);
}

// Numbers in (0, 1) for steps k0..k1-1 and n neurons, row by row; the neurons' keys are made from `neurons`.
function uniforms(key, n, k0, k1, neurons = key) {
  const keys = neuronHalves(neurons, n), steps = $stepHalves(key, k0, k1);
  const out = new Float64Array((k1 - k0) * n);
  for (let k = 0, at = 0; k < k1 - k0; k++) {
    for (let i = 0; i < n; i++, at++) {
      $hash(keys[2 * i], keys[2 * i + 1], steps[2 * k], steps[2 * k + 1]);
      out[at] = ($word[0] * 1048576 + ($word[1] >>> 12) + 0.5) * 2 ** -52;
    }
  }
  return out;
}

const $float = new Float64Array(1);
const $words = new Uint32Array($float.buffer); // little-endian, as all that runs browsers today

// log(x / 2^32) for x in (0, 2^32): exponent and mantissa as in rheobase/random.py
function $logUnit(x) {
  $float[0] = x;
  let high = $words[1], exponent = high >>> 20, fraction = high & 0xfffff;
  const low = $words[0];
  // the mantissa lies within a factor sqrt(2) of 1: above sqrt(2) it counts to the next exponent
  const above = fraction > 0x6a09e || (fraction === 0x6a09e && low >= 0x667f3bcd);
  exponent -= 1023 + 32 - (above ? 1 : 0);
  $words[1] = ((above ? 1022 : 1023) << 20) | fraction;
  $words[0] = low;
  const m = $float[0];
  const f = (m - 1) / (m + 1), q = f * f;
  let p = 1.479819860511658591e-01 * q + 1.531383769920937332e-01;
  p = p * q + 1.818357216161805012e-01;
  p = p * q + 2.222219843214978396e-01;
  p = p * q + 2.857142874366239149e-01;
  p = p * q + 3.999999999940941908e-01;
  p = p * q + 6.666666666666735130e-01;
  p = p * q + 2.0;
  return exponent * 0.6931471805599453 + f * p;
}

// Standard Gaussian numbers for steps k0..k1-1 and n neurons, row by row.
function normals(key, n, k0, k1, neurons = key) {
  const first = Math.floor(k0 / 2), last = Math.floor((k1 + 1) / 2);
  const keys = neuronHalves(neurons, n), steps = $stepHalves(key, first, last);
  const out = new Float64Array((k1 - k0) * n);
  for (let j = first; j < last; j++) {
    const even = (2 * j - k0) * n, odd = even + n;
    for (let i = 0; i < n; i++) {
      $hash(keys[2 * i], keys[2 * i + 1], steps[2 * (j - first)], steps[2 * (j - first) + 1]);
      const low = $word[1];
      let r = Math.sqrt(-2 * $logUnit($word[0] + 0.5));
      if (low & 2) r = -r;
      const x = ((low >>> 2) - 536870911.5) * (1.5707963267948966 * 2 ** -30);
      const q = x * x;
      let s = 1.58969099521155010221e-10 * q - 2.50507602534068634195e-08;
      s = s * q + 2.75573137070700676789e-06;
      s = s * q - 1.98412698298579493134e-04;
      s = s * q + 8.33333333332248946124e-03;
      s = s * q - 1.66666666666666324348e-01;
      s = (s * q + 1) * x;
      let c = -1.13596475577881948265e-11 * q + 2.08757232129817482790e-09;
      c = c * q - 2.75573143513906633035e-07;
      c = c * q + 2.48015872894767294178e-05;
      c = c * q - 1.38888888888741095749e-03;
      c = c * q + 4.16666666666666019037e-02;
      c = c * q - 0.5;
      c = c * q + 1;
      if (k0 <= 2 * j) out[even + i] = r * (low & 1 ? s : c);
      if (2 * j + 1 < k1) out[odd + i] = r * (low & 1 ? c : s);
    }
  }
  return out;
}

// Poisson counts of given means (one for each neuron) for steps k0..k1-1, row by row, as rheobase/network/sources.py draws
// them: 16 random bits a neuron, four neurons to a hash; more bits where those do not decide.
function poissonCounts(key, expected, k0, k1, on = () => true) {
  const n = expected.length, own = mix(key ^ 0x5851f42d4c957f2dn), counts = new Int32Array((k1 - k0) * n);
  const keys = neuronHalves(own, Math.ceil(n / 4)), steps = $stepHalves(own, k0, k1);
  for (let k = 0; k < k1 - k0; k++) {
    if (!on(k0 + k)) continue;
    for (let i = 0, g = 0; i < n; i += 4, g++) {
      $hash(keys[2 * g], keys[2 * g + 1], steps[2 * k], steps[2 * k + 1]);
      const low = $word[1], high = $word[0];
      for (let j = 0; j < 4 && i + j < n; j++) {
        const half = j < 2 ? low : high, bits = j % 2 ? half >>> 16 : half & 0xffff;
        counts[k * n + i + j] = $poissonCount(expected[i + j], bits, () => $uniform(key, i + j, k0 + k));
      }
    }
  }
  return counts;
}

// The number in (0, 1) that `uniforms` has for one neuron and step.
function $uniform(key, i, k) {
  const z = mix((neuronKey(key, i) + stepKey(key, k)) & $MASK);
  return (Number(z >> 12n) + 0.5) * 2 ** -52;
}

function $poissonCount(expected, bits, fine) {
  if (expected <= 0) return 0;
  if (expected > 30) {
    // far from zero the law is a Gaussian to within the accuracy that is seen on a page
    const z = Math.sqrt(2) * $inverseErf((2 * (bits + fine())) / 65536 - 1);
    return Math.max(0, Math.round(expected + z * Math.sqrt(expected)));
  }
  let p = Math.exp(-expected), total = p, k = 0;
  for (; k < 500; k++) {
    const whole = Math.floor(total * 65536);
    if (bits < whole || (bits === whole && fine() <= total * 65536 - whole)) break;
    p = (p * expected) / (k + 1);
    total += p;
  }
  return k;
}

// Winitzki's approximation (2008), to 2e-3
function $inverseErf(x) {
  const a = 0.147, l = Math.log(1 - x * x), b = 2 / (Math.PI * a) + l / 2;
  return Math.sign(x) * Math.sqrt(Math.sqrt(b * b - l / a) - b);
}
