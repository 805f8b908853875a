// Segment a PNG with a folder exported by --backend onnx:
//
//     npm install onnxruntime-node pngjs
//     node segment.mjs exported photo.png labels.png
import fs from 'node:fs';
import path from 'node:path';
import ort from 'onnxruntime-node';
import { PNG } from 'pngjs';

async function main(folder, photo, out) {
  const report = JSON.parse(fs.readFileSync(path.join(folder, 'report.json'), 'utf8'));
  const session = await ort.InferenceSession.create(path.join(folder, report.model));

  const { width, height, data } = PNG.sync.read(fs.readFileSync(photo)); // RGBA
  const pixels = new Uint8Array(height * width * 3); // BGR
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels[3 * pixel + channel] = data[4 * pixel + 2 - channel];
    }
  }
  const image = new ort.Tensor('uint8', pixels, [1, height, width, 3]);
  const outputs = await session.run({ image });
  const { data: labels, dims } = outputs[session.outputNames[0]]; // 1, height, width

  const grey = { colorType: 0, inputColorType: 0 };
  fs.writeFileSync(out, PNG.sync.write({ width: dims[2], height: dims[1], data: labels }, grey));
  report.classes.forEach((name, label) => {
    const count = labels.reduce((sum, value) => sum + (value === label), 0);
    if (count) console.log(`${name}: ${((100 * count) / labels.length).toFixed(1)} %`);
  });
}

if (process.argv.length !== 5) {
  console.error('usage: node segment.mjs exported photo.png labels.png');
  process.exit(2);
}
main(...process.argv.slice(2)).catch((error) => {
  console.error(`error: ${error.message}`);
  process.exit(1);
});
