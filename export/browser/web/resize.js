// PIL's antialiased resize with a centre crop, to the last bit: the arithmetic of kres.resampling (Pillow 13, 8 bits).

const UNIT = 2 ** 22; // weights are multiples of its inverse

const KERNELS = {
  bilinear: {radius: 1, antialias: true, weight: (x) => Math.max(1 - Math.abs(x), 0)},
  // Keys 1981 with a = -1/2.
  bicubic: {radius: 2, antialias: true, weight: (x) => {
    x = Math.min(Math.abs(x), 2);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2;
  }},
  nearest: {radius: 0.5, antialias: false, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)},
};

/** What `size` outputs from `start` on, of a side of `length` resized to `target`, are made of. */
function taps({length, target, start, size}, kernel) {
  const scale = length / target;
  const widening = kernel.antialias ? Math.max(scale, 1) : 1;
  const reach = kernel.radius * widening;
  return Array.from({length: size}, (_, index) => {
    const centre = (start + index + 0.5) * scale;
    const begin = Math.max(Math.floor(centre - reach + 0.5), 0);
    const end = Math.min(Math.floor(centre + reach + 0.5), length);
    const weights = [];
    for (let place = begin; place < Math.max(end, begin + 1); place++) {
      weights.push(kernel.weight((place + 0.5 - centre) / widening));
    }
    const sum = weights.reduce((a, b) => a + b, 0);
    const whole = (value) => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
    return {begin, weights: Float64Array.from(weights, (weight) => whole((weight / sum) * UNIT))};
  });
}

/**
 * Outputs along the middle axis of an image of bytes (outer, length, inner): (outer, outputs, inner).
 * A row of pixels is (rows, columns, channels) along the columns, and (1, rows, columns * channels) along the rows.
 */
function convolve(image, {outer, length, inner}, outputs) {
  const result = new Uint8ClampedArray(outer * outputs.length * inner);
  let place = 0;
  for (let row = 0; row < outer; row++) {
    for (const {begin, weights} of outputs) {
      const first = (row * length + begin) * inner;
      for (let item = 0; item < inner; item++) {
        let sum = UNIT / 2;
        for (let tap = 0; tap < weights.length; tap++) sum += weights[tap] * image[first + tap * inner + item];
        result[place++] = Math.floor(sum / UNIT);
      }
    }
  }
  return result;
}

/**
 * Resizes the shorter side to `shorter` pixels and cuts the central `size` by `size` out.
 * `image` holds bytes (height, width, 3); so does the result (size, size, 3).
 */
export function resizeAndCrop(image, {height, width, shorter, size, interpolation}) {
  const kernel = KERNELS[interpolation];
  const [rows, columns] = [height, width].map((length) => {
    const target = Math.floor((length * shorter) / Math.min(height, width));
    const spare = target - size;
    // Half of what is left over; an odd number's half goes to the even place.
    return {length, target, size, start: Math.floor((spare + (Math.floor(spare / 2) % 2)) / 2)};
  });
  const across = taps(columns, kernel);
  const down = taps(rows, kernel);
  const lost = (side) => side.length - side.target;
  if (lost(rows) > 0 && lost(rows) > 2 * lost(columns)) {
    const lower = convolve(image, {outer: 1, length: height, inner: width * 3}, down);
    return convolve(lower, {outer: size, length: width, inner: 3}, across);
  }
  const narrower = convolve(image, {outer: height, length: width, inner: 3}, across);
  return convolve(narrower, {outer: 1, length: height, inner: size * 3}, down);
}
