/**
 * Prints the seconds in which llama.cpp loads a model by its path with mmap. A program of its own: nothing of a
 * load before may be left. Arguments: path of node-llama-cpp's entry module, path of the model.
 */
import { pathToFileURL } from 'node:url';

/** What is used of node-llama-cpp, which is installed for tests only and has no types here. */
interface LlamaModule {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<unknown>;
    dispose(): Promise<void>;
  }>;
}

const [entry, modelPath] = process.argv.slice(2);
const { getLlama } = (await import(pathToFileURL(entry).href)) as LlamaModule;
const llama = await getLlama({
  gpu: false,
  build: 'never',
  progressLogs: false,
  logLevel: 'error',
});
const start = performance.now();
await llama.loadModel({ modelPath, useMmap: true, gpuLayers: 0 });
console.log((performance.now() - start) / 1000);
await llama.dispose();
