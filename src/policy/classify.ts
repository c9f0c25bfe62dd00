/**
 * What a file is, from its path and from its first bytes. The path alone is used at birth; content
 * decides once the file has settled, because formats say more than names.
 */
import type { FileClass } from '../config/file-class.js';
import { formatOf } from './formats.js';

/** Enough for the header of every format that is recognised. */
export const HEAD_BYTES = 4096;

const BY_EXTENSION: Readonly<Record<string, FileClass>> = table({
  model:
    'safetensors gguf ggml onnx pt pth tflite ckpt mlmodel engine plan pdparams h5 keras msgpack npz',
  'vector-index': 'faiss hnsw usearch annoy lance ivf ann diskann',
  database: 'sqlite sqlite3 db db3 duckdb mdb ldb sst wal',
  document: 'txt md pdf html htm doc docx odt rtf epub csv tsv jsonl ndjson parquet arrow xml log',
  config: 'yaml yml toml ini conf cfg env',
  cache: 'tmp cache part partial incomplete',
});

/** Names that say it whatever the extension. */
const BY_NAME: Readonly<Record<string, FileClass>> = {
  'adapter_model.safetensors': 'adapter',
  'adapter_model.bin': 'adapter',
  'adapter_config.json': 'adapter',
  'data.mdb': 'database',
  'lock.mdb': 'database',
  'config.json': 'config',
  'generation_config.json': 'config',
  'tokenizer.json': 'config',
  'tokenizer_config.json': 'config',
  'special_tokens_map.json': 'config',
  'model.safetensors.index.json': 'config',
  'pytorch_model.bin.index.json': 'config',
  modelfile: 'config',
  '.env': 'config',
};

const SQLITE_COMPANION = /\.(db|db3|sqlite|sqlite3)-(wal|shm|journal)$/;
/** Weights in the names that Hugging Face and llama.cpp give them. */
const MODEL_BIN = /^(pytorch_model|model|diffusion_pytorch_model|consolidated|ggml|gguf).*\.bin$/;
const ADAPTER_NAME = /(^|[-_.])(q?lora|adapter|dora)([-_.]|$)/;
/** The blob stores of Ollama and the Hugging Face cache name files by hash. */
const BLOB_NAME = /^(sha256-)?[0-9a-f]{40,64}$/;
const INDEX_NAME = /(^|[-_.])(faiss|hnsw|hnswlib|usearch|diskann|ivfpq)([-_.]|$)/;

/** `path` is below the mount. `other` where neither name nor directory says anything. */
export function classifyByPath(path: string): FileClass {
  const segments = path.toLowerCase().split('/').filter(Boolean);
  const name = segments.pop() ?? '';
  const named = classByName(name);
  const placed = classByDirectory(segments, name);
  if (named === 'model' && (placed === 'adapter' || ADAPTER_NAME.test(name))) return 'adapter';
  if (placed === 'vector-index' && (named === undefined || named === 'other')) return placed;
  return named ?? placed ?? 'other';
}

/**
 * `firstBytes` is the start of the file (HEAD_BYTES; less is fine), `path` its path or name.
 * Content that says nothing leaves the path's answer.
 */
export function classifyByContent(firstBytes: Buffer, path: string): FileClass {
  const byPath = classifyByPath(path);
  switch (formatOf(firstBytes)) {
    case 'safetensors':
      return byPath === 'adapter' || isAdapterHeader(firstBytes) ? 'adapter' : 'model';
    case 'weights':
      return byPath === 'adapter' || ggufSaysAdapter(firstBytes) ? 'adapter' : 'model';
    case 'archive':
      // PyTorch files and office documents are both zip archives, and so is much else.
      return isPytorchZip(firstBytes) && byPath !== 'adapter' ? 'model' : byPath;
    case 'pickle':
      return byPath === 'other' ? 'model' : byPath;
    case 'onnx':
      return byPath === 'model' || /\.onnx$/i.test(path) ? 'model' : byPath;
    case 'index':
      return 'vector-index';
    case 'database':
      return byPath === 'vector-index' ? byPath : 'database';
    case 'document':
      return 'document';
    default:
      return byPath;
  }
}

function classByName(name: string): FileClass | undefined {
  if (Object.hasOwn(BY_NAME, name)) return BY_NAME[name];
  if (SQLITE_COMPANION.test(name)) return 'database';
  if (INDEX_NAME.test(name)) return 'vector-index';
  if (MODEL_BIN.test(name)) return 'model';
  const dot = name.lastIndexOf('.');
  const extension = name.slice(dot + 1);
  if (dot >= 0 && Object.hasOwn(BY_EXTENSION, extension)) return BY_EXTENSION[extension];
  return undefined;
}

function classByDirectory(segments: readonly string[], name: string): FileClass | undefined {
  const [top, second] = segments;
  if (segments.some((segment) => segment.endsWith('.lance'))) return 'vector-index';
  if (segments.includes('adapters') || segments.includes('loras')) return 'adapter';
  if (BLOB_NAME.test(name) && segments.includes('blobs')) return 'model';
  if (top === 'vectors') return 'vector-index';
  if (top === 'cache' || segments.includes('.cache')) return 'cache';
  if (top === 'config') return 'config';
  if (top === 'data' && second === 'documents') return 'document';
  return undefined;
}

function isAdapterHeader(bytes: Buffer): boolean {
  // PEFT names tensors `...lora_A.weight`, diffusers and kohya `lora_unet_...lora_down`.
  return /lora_(a|b|up|down|unet|te)|lokr_w|hada_w|"ss_network_/i.test(bytes.toString('latin1'));
}

function ggufSaysAdapter(bytes: Buffer): boolean {
  return /general\.type.{0,24}adapter/s.test(bytes.toString('latin1'));
}

function isPytorchZip(bytes: Buffer): boolean {
  // A torch.save archive starts with `<name>/data.pkl`; TorchScript with the same or a version.
  return /\/(data\.pkl|version|byteorder|\.format_version)/.test(bytes.toString('latin1', 0, 512));
}

function table(lists: Partial<Record<FileClass, string>>): Record<string, FileClass> {
  const result: Record<string, FileClass> = {};
  for (const [fileClass, extensions] of Object.entries(lists)) {
    for (const extension of extensions.split(' ')) result[extension] = fileClass as FileClass;
  }
  return result;
}
