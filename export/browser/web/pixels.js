// From an image file or a video to the input that the network was trained for.

import {resizeAndCrop} from "./resize.js";

// Safari's canvas holds no more; what is larger is made smaller as it is decoded.
const MOST_PIXELS = 16_000_000;

/** An image file as a bitmap, upright as its camera held it, its colours as they are stored. */
export async function decode(file) {
  const options = {colorSpaceConversion: "none", premultiplyAlpha: "none"};
  const bitmap = await createImageBitmap(file, options);
  const share = Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height));
  if (share >= 1) return bitmap;
  const resizeWidth = Math.max(1, Math.floor(bitmap.width * share));
  const resizeHeight = Math.max(1, Math.floor(bitmap.height * share));
  return createImageBitmap(bitmap, {resizeWidth, resizeHeight, resizeQuality: "high"});
}

/** The part of a bitmap or a video frame that the network sees: bytes (size, size, 3), RGB. */
export function toSquare(source, preprocess) {
  const width = source.videoWidth ?? source.width;
  const height = source.videoHeight ?? source.height;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(source, 0, 0);
  const {data} = context.getImageData(0, 0, width, height);
  const pixels = new Uint8ClampedArray(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    pixels[to] = data[from];
    pixels[to + 1] = data[from + 1];
    pixels[to + 2] = data[from + 2];
  }
  return resizeAndCrop(pixels, {height, width, ...preprocess});
}

/** Pixels (size, size, 3) as the real values that the network takes, float32: raw, or normalised as in kres.preprocess. */
export function toValues(pixels, {pixels: raw, preprocess: {mean, std, order}}) {
  if (raw) return Float32Array.from(pixels);
  const middle = mean.map((value) => Math.fround(255 * value));
  const scale = std.map((value) => Math.fround(1 / (255 * value)));
  const values = new Float32Array(pixels.length);
  for (let pixel = 0; pixel < pixels.length; pixel += 3) {
    for (let channel = 0; channel < 3; channel++) {
      const value = pixels[pixel + (order === "bgr" ? 2 - channel : channel)];
      values[pixel + channel] = Math.fround(value - middle[channel]) * scale[channel];
    }
  }
  return values;
}
