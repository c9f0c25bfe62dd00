/**
 * Loads a GGUF by its path with mmap through llama.cpp, generates from a fixed prompt, and prints the
 * tokens as JSON. A program of its own, so that a crash or a hang of the loader fails only its test.
 * Arguments: path of node-llama-cpp's entry module, path of the model.
 */
import { pathToFileURL } from 'node:url';

/** What is used of node-llama-cpp, which is installed for tests only and has no types here. */
interface LlamaModule {
  getLlama(options: object): Promise<Llama>;
}
interface Llama {
  loadModel(options: object): Promise<Model>;
  dispose(): Promise<void>;
}
interface Model {
  createContext(options: object): Promise<{ getSequence(): Sequence }>;
  tokenize(text: string): number[];
}
interface Sequence {
  evaluate(tokens: number[], options: object): AsyncIterable<number>;
}

const PROMPT = 'the reef and the sea';
const TOKENS = 24;

async function generate(model: Model): Promise<number[]> {
  const context = await model.createContext({ contextSize: 256, threads: 2 });
  const options = { temperature: 0, seed: 1, yieldEogToken: true };
  const output: number[] = [];
  for await (const token of context.getSequence().evaluate(model.tokenize(PROMPT), options)) {
    if (output.push(token) >= TOKENS) break;
  }
  return output;
}

const [entry, modelPath] = process.argv.slice(2);
const { getLlama } = (await import(pathToFileURL(entry).href)) as LlamaModule;
const llama = await getLlama({
  gpu: false,
  build: 'never',
  progressLogs: false,
  logLevel: 'error',
});
const model = await llama.loadModel({ modelPath, useMmap: true, gpuLayers: 0 });
console.log(JSON.stringify(await generate(model)));
await llama.dispose();
