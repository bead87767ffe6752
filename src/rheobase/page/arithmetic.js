// Arithmetic that rounds as the engines in Python do: exp and expm1 as in rheobase/emit/clock_loop.py, operation by
// operation; small matrices.

const $powers = new Float64Array(2100);
for (let k = -1074; k <= 1023; k++) $powers[k + 1074] = Math.pow(2, k);

let $k_of = 0;

// exp(r) - 1, where x = k log(2) + r; k is left in $k_of
function $split(x) {
  x = x > 710 ? 710 : x;
  x = x < -708 ? -708 : x;
  const k = (x * 1.4426950408889634 + 6755399441055744) - 6755399441055744;
  const r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
  let p = 1.6059043836821613e-10 * r + 2.08767569878681e-09;
  p = ((p * r + 2.505210838544172e-08) * r + 2.755731922398589e-07) * r + 2.7557319223985893e-06;
  p = ((p * r + 2.48015873015873e-05) * r + 0.0001984126984126984) * r + 0.001388888888888889;
  p = (((p * r + 0.008333333333333333) * r + 0.041666666666666664) * r + 0.16666666666666666) * r + 0.5;
  $k_of = k;
  return r + (r * r) * p;
}

function $exp(x) {
  const e = $split(x);
  const y = ((1 + e) * $powers[$k_of + 1073]) * 2;
  return x < -708 ? 0 : y;
}

function $expm1(x) {
  const e = $split(x);
  const s = $powers[$k_of + 1073];
  return (e * s + (s - 0.5)) * 2;
}

function $exprel(x) {
  return x !== 0 ? $expm1(x) / x : 1;
}

function $sign(x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

// ---------------------------------------------------------------- matrices: arrays of rows

function zeros(rows, columns) {
  return Array.from({ length: rows }, () => new Array(columns).fill(0));
}

function times(a, b) {
  const out = zeros(a.length, b.length ? b[0].length : 0);
  for (let i = 0; i < a.length; i++) {
    for (let k = 0; k < b.length; k++) {
      const x = a[i][k];
      if (x !== 0) for (let j = 0; j < out[i].length; j++) out[i][j] += x * b[k][j];
    }
  }
  return out;
}

// exp(M dt), by Taylor's series of M dt / 2^s, squared s times
function exponential(m, dt) {
  const n = m.length;
  let norm = 0;
  for (const row of m) norm = Math.max(norm, row.reduce((sum, x) => sum + Math.abs(x * dt), 0));
  const s = norm > 0.25 ? Math.ceil(Math.log2(norm / 0.25)) : 0;
  const scaled = m.map((row) => row.map((x) => (x * dt) / 2 ** s));
  // of the exponential less the unit matrix, which keeps the digits of small entries: (1 + x)^2 - 1 = 2 x + x^2
  let term = scaled.map((row) => [...row]);
  let sum = scaled.map((row) => [...row]);
  for (let j = 2; j < 20; j++) {
    term = times(term, scaled).map((row) => row.map((x) => x / j));
    sum = sum.map((row, i) => row.map((x, k) => x + term[i][k]));
  }
  for (let j = 0; j < s; j++) {
    const square = times(sum, sum);
    sum = sum.map((row, i) => row.map((x, k) => 2 * x + square[i][k]));
  }
  for (let i = 0; i < n; i++) sum[i][i] += 1;
  return sum;
}

// the solution of a x = b, or null where a is singular
function solve(a, b) {
  const n = b.length;
  const m = a.map((row, i) => [...row, b[i]]);
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(m[i][k]) > Math.abs(m[best][k])) best = i;
    if (!(Math.abs(m[best][k]) > 1e-300)) return null;
    [m[k], m[best]] = [m[best], m[k]];
    for (let i = k + 1; i < n; i++) {
      const f = m[i][k] / m[k][k];
      if (f !== 0) for (let j = k; j <= n; j++) m[i][j] -= f * m[k][j];
    }
  }
  const x = new Array(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    let rest = m[k][n];
    for (let j = k + 1; j < n; j++) rest -= m[k][j] * x[j];
    x[k] = rest / m[k][k];
  }
  return x;
}

// Whether no eigenvalue has a positive real part: the coefficients of the characteristic polynomial by Faddeev and
// Leverrier, their signs by Routh and Hurwitz.
function isStable(matrix) {
  const n = matrix.length;
  const scale = Math.max(...matrix.flat().map(Math.abs), 1e-300);
  const a = matrix.map((row, i) => row.map((x, j) => x / scale - (i === j ? 1e-9 / scale : 0)));
  let m = zeros(n, n);
  const c = [1];
  for (let k = 1; k <= n; k++) {
    m = times(a, m);
    for (let i = 0; i < n; i++) m[i][i] += c[k - 1];
    const am = times(a, m);
    c.push(-am.reduce((sum, row, i) => sum + row[i], 0) / k);
  }
  let upper = c.filter((_, i) => i % 2 === 0);
  let lower = c.filter((_, i) => i % 2 === 1);
  for (let k = 0; k < n; k++) {
    if (!(lower[0] > 0)) return false;
    const next = [];
    for (let j = 0; j < upper.length - 1; j++) next.push(upper[j + 1] - (upper[0] * (lower[j + 1] ?? 0)) / lower[0]);
    [upper, lower] = [lower, next];
  }
  return true;
}
