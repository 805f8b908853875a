// What the page shows: the image under its labels, the legend, the class at a place, saved files.

import { count, encodeLabels, paint } from './pixels.js';

const LARGEST_SHOWN = 1600; // pixels of the longer side on the screen; labels have their own size
const $ = id => document.getElementById(id);
const canvas = { image: $('image'), overlay: $('overlay') };

let names; // of all labels
let colors; // [red, green, blue] of all labels
let isHidden; // by label
let shown; // labels on the screen: { labels, width, height, name }
let marker; // place of the keyboard's marker, as shares of width and height

/** Take names and colours of the labels from the report, and fill the legend. */
export function setClasses({ classes, palette, num_labels: numLabels }) {
  const all = [...Array(Math.max(numLabels, classes.length)).keys()];
  names = all.map(label => classes[label] ?? 'no class');
  colors = all.map(label => palette[label] ?? [0, 0, 0]);
  isHidden = all.map(() => false);
  $('legend').replaceChildren(...all.map(legendItem));
}

function legendItem(label) {
  const button = document.createElement('button');
  button.type = 'button';
  button.setAttribute('aria-pressed', 'true');
  const parts = ['swatch', 'name', 'share'].map(className => {
    return Object.assign(document.createElement('span'), { className });
  });
  parts[0].style.background = css(label);
  parts[1].textContent = names[label];
  button.append(...parts);
  button.onclick = () => {
    isHidden[label] = !isHidden[label];
    button.setAttribute('aria-pressed', String(!isHidden[label]));
    drawLabels();
  };
  const item = document.createElement('li');
  item.append(button);
  return item;
}

function css(label) {
  return `rgb(${colors[label].join(' ')})`;
}

/** Show an image, below the labels on the screen if there are any. */
export function showImage(bitmap) {
  const scale = Math.min(1, LARGEST_SHOWN / Math.max(bitmap.width, bitmap.height));
  const { image } = canvas;
  image.width = Math.max(1, Math.round(bitmap.width * scale));
  image.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = image.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, image.width, image.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, image.width, image.height);
  const ratio = image.width / image.height;
  $('stage').className = '';
  $('stage').style.aspectRatio = ratio;
  $('stage').style.width = `min(100%, ${(72 * ratio).toFixed(2)}vh)`;
  $('hint').hidden = true;
  image.hidden = false;
}

/** Take the labels of an earlier image from the screen. */
export function clearLabels() {
  shown = marker = undefined;
  canvas.overlay.hidden = $('marker').hidden = true;
  $('save-labels').disabled = $('save-overlay').disabled = true;
}

/** Show labels over the image, and their shares; returns the share of each label. */
export function showLabels(labels, width, height, name) {
  shown = { labels, width, height, name };
  drawLabels();
  const shares = count(labels, names.length).map(pixels => pixels / labels.length);
  for (const [label, item] of [...$('legend').children].entries()) {
    const button = item.firstChild;
    button.className = shares[label] ? '' : 'absent';
    button.style.setProperty('--share', `${(100 * shares[label]).toFixed(1)}%`);
    button.lastChild.textContent = shares[label] ? percent(shares[label]) : '–';
  }
  if (marker) point(...marker);
  return shares;
}

/** Labels on the screen in words: how many classes, and the largest. */
export function summary(shares) {
  const present = shares.filter(Boolean).length;
  const largest = shares.indexOf(Math.max(...shares));
  return `${present} ${present === 1 ? 'class' : 'classes'}, most of it ${names[largest]} `
    + `(${percent(shares[largest])})`;
}

function drawLabels() {
  if (!shown) return;
  const { overlay } = canvas;
  overlay.width = shown.width;
  overlay.height = shown.height;
  const rgba = new ImageData(paint(shown.labels, colors, isHidden), shown.width, shown.height);
  overlay.getContext('2d').putImageData(rgba, 0, 0);
  overlay.hidden = false;
  $('save-labels').disabled = $('save-overlay').disabled = false;
}

function percent(share) {
  return share < 0.0005 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`;
}

/** Name the class at a place, given as shares of the width and the height. */
function point(x, y) {
  if (!shown) return;
  const column = Math.min(shown.width - 1, Math.max(0, Math.floor(x * shown.width)));
  const row = Math.min(shown.height - 1, Math.max(0, Math.floor(y * shown.height)));
  const label = shown.labels[row * shown.width + column];
  if ($('pointed-name').textContent !== names[label]) $('pointed-name').textContent = names[label];
  $('pointed-color').style.background = css(label);
  $('pointed-color').hidden = false;
}

function moveMarker(event) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = steps[event.key];
  if (!step || !shown) return;
  event.preventDefault();
  const lengths = event.shiftKey ? [1 / shown.width, 1 / shown.height] : [0.02, 0.02];
  marker ??= [0.5, 0.5];
  marker = marker.map((place, axis) => Math.min(1, Math.max(0, place + step[axis] * lengths[axis])));
  Object.assign($('marker').style, { left: `${100 * marker[0]}%`, top: `${100 * marker[1]}%` });
  $('marker').hidden = false;
  point(...marker);
}

function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
}

async function saveLabels() {
  const { labels, width, height, name } = shown;
  save(await encodeLabels(labels, width, height), `${name}_labels.png`);
}

function saveOverlay() {
  const merged = document.createElement('canvas');
  merged.width = canvas.image.width;
  merged.height = canvas.image.height;
  const context = merged.getContext('2d');
  context.drawImage(canvas.image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.globalAlpha = $('opacity').value / 100;
  context.drawImage(canvas.overlay, 0, 0, merged.width, merged.height);
  const { name } = shown;
  merged.toBlob(blob => save(blob, `${name}_overlay.png`));
}

function setOpacity() {
  canvas.overlay.style.opacity = $('opacity').value / 100;
  $('opacity-value').textContent = `${$('opacity').value} %`;
}

function pointAt(event) {
  const box = $('stage').getBoundingClientRect();
  point((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

$('save-labels').onclick = saveLabels;
$('save-overlay').onclick = saveOverlay;
$('opacity').oninput = setOpacity;
$('stage').onpointermove = $('stage').onpointerdown = pointAt;
$('stage').onkeydown = moveMarker;
setOpacity(); // the browser may have kept another value
