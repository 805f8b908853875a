// Pixels and labels as plain arrays: the network's input, shares of classes, and PNG files.

export const MOST_PIXELS = 2 ** 21; // of an image for a network of any size: 1024 x 2048
export const LARGEST_PHOTO = 100e6; // pixels that are decoded at all

/**
 * How an image lies in the network's input: its own size there, and the size of the input.
 *
 * Larger and smaller images are resized to fit, at the aspect ratio that they have.
 */
export function fit(width, height, size) {
  if (!size) {
    const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
    const own = [width, height].map(side => Math.max(1, Math.floor(side * scale + 1e-9)));
    return { width: own[0], height: own[1], inputWidth: own[0], inputHeight: own[1] };
  }
  const [inputHeight, inputWidth] = size;
  const scale = Math.min(inputWidth / width, inputHeight / height);
  const side = (own, most) => {
    const scaled = Math.max(1, Math.round(own * scale));
    return most - scaled <= 1 ? most : scaled; // a bar of one pixel helps nobody
  };
  return {
    width: side(width, inputWidth), height: side(height, inputHeight), inputWidth, inputHeight,
  };
}

/** RGBA of an image as the network's input in BGR; what the image leaves free gets a colour. */
export function toBgr(rgba, { width, height, inputWidth, inputHeight }, [blue, green, red]) {
  const pixels = new Uint8Array(inputWidth * inputHeight * 3);
  if (width < inputWidth || height < inputHeight) {
    for (let i = 0; i < pixels.length; i += 3) {
      pixels[i] = blue;
      pixels[i + 1] = green;
      pixels[i + 2] = red;
    }
  }
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0, to = y * inputWidth * 3; x < width; x++, from += 4, to += 3) {
      pixels[to] = rgba[from + 2];
      pixels[to + 1] = rgba[from + 1];
      pixels[to + 2] = rgba[from];
    }
  }
  return pixels;
}

/** The labels of the image alone, without what was added to fill the network's input. */
export function crop(labels, { width, height, inputWidth }) {
  if (width === inputWidth) return labels.subarray(0, width * height);
  const own = new labels.constructor(width * height);
  for (let y = 0; y < height; y++) {
    own.set(labels.subarray(y * inputWidth, y * inputWidth + width), y * width);
  }
  return own;
}

/** How many pixels have each label. */
export function count(labels, numLabels) {
  const counts = new Array(numLabels).fill(0);
  for (const label of labels) counts[label]++;
  return counts;
}

/** The labels as RGBA in their colours; hidden ones are transparent. */
export function paint(labels, colors, isHidden) {
  const rgba = new Uint8ClampedArray(labels.length * 4);
  for (let i = 0, to = 0; i < labels.length; i++, to += 4) {
    if (isHidden[labels[i]]) continue;
    const color = colors[labels[i]];
    rgba[to] = color[0];
    rgba[to + 1] = color[1];
    rgba[to + 2] = color[2];
    rgba[to + 3] = 255;
  }
  return rgba;
}

/** A grey PNG whose values are the labels: 8 bits, or 16 for more than 256 labels. */
export async function encodeLabels(labels, width, height) {
  const bytes = labels.BYTES_PER_ELEMENT > 1 ? 2 : 1;
  const rows = new Uint8Array(height * (1 + width * bytes)); // each begins with its filter: none
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    to++;
    for (let x = 0; x < width; x++, from++) {
      if (bytes === 2) rows[to++] = labels[from] >> 8;
      rows[to++] = labels[from];
    }
  }
  const deflated = new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate'));
  const data = new Uint8Array(await new Response(deflated).arrayBuffer());
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8 * bytes); // and colour type 0: grey
  const signature = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const chunks = [chunk('IHDR', new Uint8Array(header.buffer)), chunk('IDAT', data), chunk('IEND')];
  return new Blob([signature, ...chunks], { type: 'image/png' });
}

function chunk(type, data = new Uint8Array()) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...type].map(letter => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}
