// Run the exported network with ONNX Runtime Web, beside the page: BGR pixels in, labels out.

const FOLDER = new URL('../onnxruntime-web/', import.meta.url);
const BUILDS = { // the library, and its WebAssembly without suffix
  wasm: ['ort.wasm.min.js', 'ort-wasm-simd-threaded'],
  webgpu: ['ort.webgpu.min.js', 'ort-wasm-simd-threaded.asyncify'],
};
let ort;
let session;

/** The bytes of a file, unpacked if they are gzip still: some servers make the browser do it. */
async function read(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the server answers ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

async function load({ engine, threads, model }) {
  const [library, build] = BUILDS[engine];
  const [module, wasm, network] = await Promise.all([
    import(new URL(library, FOLDER)),
    read(new URL(`${build}.wasm.gz`, FOLDER)),
    read(model),
  ]);
  ort = module;
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.wasmPaths = { mjs: new URL(`${build}.js`, FOLDER).href };
  session = await ort.InferenceSession.create(network, {
    executionProviders: engine === 'webgpu' ? ['webgpu', 'wasm'] : ['wasm'],
    logSeverityLevel: 3, // which nodes WebGPU leaves to the CPU is no warning
  });
}

async function run({ pixels, height, width }) {
  const image = new ort.Tensor('uint8', pixels, [1, height, width, 3]);
  const start = performance.now();
  const outputs = await session.run({ [session.inputNames[0]]: image });
  const ms = performance.now() - start;
  const { data, dims } = outputs[session.outputNames[0]];
  if (dims.join() !== [1, height, width].join()) throw new Error(`the network gives ${dims.join('x')}`);
  return { labels: data.slice(), ms };
}

onmessage = async ({ data: { id, task, ...what } }) => {
  try {
    const result = await (task === 'load' ? load(what) : run(what));
    postMessage({ id, result }, result ? [result.labels.buffer] : []);
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error).split('\n')[0].slice(0, 300) });
  }
};
