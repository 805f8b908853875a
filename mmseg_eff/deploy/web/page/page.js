// The page: take images from files, the clipboard or the webcam, show their labels, save both.

import { Engine, faultOfWebgpu, threadCount, tryWebgpu } from './engines.js';
import { LARGEST_PHOTO, MOST_PIXELS, crop, fit, toBgr } from './pixels.js';
import { clearLabels, setClasses, showImage, showLabels, summary } from './view.js';

const LARGEST_FILE = 64e6; // bytes
const options = new URLSearchParams(location.search); // ?engine=wasm or webgpu, ?threads=2
const $ = id => document.getElementById(id);
const input = document.createElement('canvas').getContext('2d', { willReadFrequently: true });

let report;
let engine;
let webgpu = ''; // what came of it, in words; empty before its trial
let turn = 0; // counts images, so that a late result of an earlier one is dropped
let stream; // of the webcam

const loading = start().then(() => true, error => {
  fail(`The network cannot be loaded: ${error.message}`);
  return false;
});

async function start() {
  const response = await fetch('report.json');
  if (!response.ok) throw new Error(`report.json: the server answers ${response.status}`);
  report = await response.json();
  setClasses(report);
  describe();
  if (options.get('engine') === 'webgpu') {
    engine = new Engine('webgpu', 1);
    webgpu = 'chosen in the address';
  } else {
    engine = new Engine('wasm', threadCount(options.get('threads')));
    if (options.get('engine') === 'wasm') webgpu = 'WebGPU is off in the address';
  }
  await engine.load(modelUrl());
  webgpu ||= await faultOfWebgpu();
  describe();
  $('file').disabled = $('webcam').disabled = false;
  say('Ready. Choose an image, drop or paste one, or start the webcam.');
  document.body.dataset.ready = engine.name;
}

function modelUrl() {
  return new URL(report.model, location.href).href;
}

/** What the report says of the network, and what runs it. */
function describe() {
  const { config, weights } = report;
  const name = weights?.name ?? config?.name;
  if (name) document.title = $('title').textContent = name;
  const dataset = weights?.dataset ?? config?.dataset;
  const facts = [dataset && `Dataset: ${dataset}`, weights && `Licence: ${weights.licence}`];
  $('about').textContent = [...facts, 'Images stay on this device'].filter(Boolean).join(' · ');
  $('size').textContent = report.size
    ? `${report.size[1]} x ${report.size[0]}; others are resized to fit`
    : `any; above ${MOST_PIXELS / 2 ** 20} megapixels they are reduced`;
  const files = Object.entries(report.files).filter(([name]) => isLoaded(name));
  const bytes = files.reduce((sum, [, facts]) => sum + facts.bytes, 0);
  $('bytes').textContent = `${(bytes / 1e6).toFixed(1)} MB, all from this server`;
  $('engine').textContent = engine ? [`${engine}`, webgpu].filter(Boolean).join('; ') : '–';
  $('threads').hidden = !engine || engine.name === 'webgpu' || self.crossOriginIsolated;
}

function isLoaded(name) {
  if (name.endsWith('.py') || name.endsWith('.txt')) return false;
  return engine?.name === 'webgpu' || !/webgpu|asyncify/.test(name);
}

function say(text) {
  $('status').textContent = text;
}

function fail(text) {
  $('error').textContent = text;
  $('error').hidden = !text;
  if (text) say('');
}

/** Segment a file that was chosen, dropped or pasted. */
async function open(file) {
  stopWebcam();
  fail('');
  const mine = ++turn;
  if (!await loading || mine !== turn) return;
  try {
    const bitmap = await decode(file);
    if (mine !== turn) return bitmap.close();
    say(`Segmenting ${file.name} …`);
    await segment(bitmap, file.name.replace(/\.\w+$/, ''), mine);
  } catch (error) {
    if (mine === turn) fail(`${file.name}: ${error.message}`);
  }
}

async function decode(file) {
  if (file.size > LARGEST_FILE) {
    throw new Error(`has ${(file.size / 1e6).toFixed(0)} MB; at most ${LARGEST_FILE / 1e6} are read`);
  }
  const probe = new Image(); // knows the size before all pixels are decoded
  probe.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => Object.assign(probe, { onload: resolve, onerror: reject }));
    const pixels = probe.naturalWidth * probe.naturalHeight;
    if (pixels > LARGEST_PHOTO) {
      throw new RangeError(`has ${probe.naturalWidth} x ${probe.naturalHeight} pixels; at most `
        + `${LARGEST_PHOTO / 1e6} megapixels are read`);
    }
    // upright by its EXIF data, and its values without a colour profile, as the network was trained
    return await createImageBitmap(file, {
      imageOrientation: 'from-image', colorSpaceConversion: 'none',
    });
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new Error('is no image that this browser can read; PNG, JPEG and WebP work everywhere');
  } finally {
    URL.revokeObjectURL(probe.src);
  }
}

/** Show an image with its labels; of the webcam both at once, of a file the image before. */
async function segment(bitmap, name, mine) {
  const began = performance.now();
  const isLive = Boolean(stream);
  const shape = fit(bitmap.width, bitmap.height, report.size);
  if (!isLive) {
    clearLabels();
    showImage(bitmap);
  }
  const pixels = toBgr(pixelsOf(bitmap, shape), shape, fillColor());
  const image = { pixels, height: shape.inputHeight, width: shape.inputWidth };
  const { labels, ms } = await engine.run(image);
  if (mine !== turn) return bitmap.close();
  if (isLive) showImage(bitmap);
  const shares = showLabels(crop(labels, shape), shape.width, shape.height, name);
  if (!isLive) say(`${name}: ${summary(shares)}.${sizes(bitmap, shape)}`);
  $('time').textContent = `${(performance.now() - began).toFixed(0)} ms (network ${ms.toFixed(0)} ms)`;
  document.body.dataset.ms = ms; // for tests and benchmarks
  document.body.dataset.images = Number(document.body.dataset.images ?? 0) + 1;
  bitmap.close();
  considerWebgpu(image, labels, ms);
}

/** That an image was resized, in words; empty if it was not. */
function sizes(bitmap, { width, height }) {
  if (bitmap.width === width && bitmap.height === height) return '';
  return ` Its ${bitmap.width} x ${bitmap.height} pixels were resized to ${width} x ${height}.`;
}

/** RGBA of an image at its size in the network's input; transparent parts are white. */
function pixelsOf(bitmap, { width, height }) {
  input.canvas.width = width;
  input.canvas.height = height;
  input.fillStyle = '#fff';
  input.fillRect(0, 0, width, height);
  input.imageSmoothingQuality = 'high';
  input.drawImage(bitmap, 0, 0, width, height);
  return input.getImageData(0, 0, width, height).data;
}

/** The mean of the training images in BGR, for what an image leaves free. */
function fillColor() {
  const { mean, to_rgb: isRgb } = report.normalise;
  return isRgb ? [...mean].reverse() : mean;
}

async function considerWebgpu(image, labels, ms) {
  if (webgpu) return;
  webgpu = 'trying WebGPU';
  describe();
  const { engine: better, said } = await tryWebgpu(modelUrl(), image, labels, ms);
  webgpu = said;
  if (better) {
    engine.retire();
    engine = better;
  }
  describe();
}

async function startWebcam() {
  fail('');
  if (!navigator.mediaDevices?.getUserMedia) {
    return fail('The webcam needs a page from https:// or from localhost.');
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: 'environment', width: { ideal: 1280 } },
    });
  } catch (error) {
    const reasons = {
      NotFoundError: 'No webcam was found.',
      NotAllowedError: 'The webcam is not allowed; the browser\'s settings of this page can allow it.',
      NotReadableError: 'The webcam is used by another program.',
    };
    return fail(reasons[error.name] ?? `The webcam does not start: ${error.message}`);
  }
  stream.getTracks()[0].onended = () => {
    stopWebcam();
    fail('The webcam was disconnected.');
  };
  $('webcam').textContent = 'Stop webcam';
  say('The webcam is on.');
  follow();
}

/** Segment frame after frame until the webcam stops or something else comes. */
async function follow() {
  const mine = ++turn;
  const video = Object.assign(document.createElement('video'), {
    srcObject: stream, muted: true, playsInline: true,
  });
  try {
    await video.play();
    while (mine === turn && stream) {
      await segment(await createImageBitmap(video), 'webcam', mine);
      await new Promise(requestAnimationFrame); // rests while the page is in the background
    }
  } catch (error) {
    if (mine !== turn) return;
    stopWebcam();
    fail(`webcam: ${error.message}`);
  }
}

function stopWebcam() {
  if (!stream) return;
  turn++;
  for (const track of stream.getTracks()) track.stop();
  stream = undefined;
  $('webcam').textContent = 'Start webcam';
  say('The webcam is off.');
}

$('file').onchange = () => {
  if ($('file').files.length) open($('file').files[0]);
  $('file').value = ''; // so that the same file can be chosen again
};
$('webcam').onclick = () => (stream ? stopWebcam() : startWebcam());
document.onpaste = event => {
  const file = event.clipboardData.files[0];
  if (file) open(file);
};
document.ondragover = event => {
  event.preventDefault();
  document.body.classList.add('dropping');
};
document.ondragleave = event => {
  if (!event.relatedTarget) document.body.classList.remove('dropping');
};
document.ondrop = event => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  const file = event.dataTransfer.files[0];
  if (file) open(file);
  else fail('Only files can be dropped here.');
};
