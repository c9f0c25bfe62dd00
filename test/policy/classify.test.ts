import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileClass } from '../../src/config/file-class.js';
import { classifyByContent, classifyByPath } from '../../src/policy/classify.js';

const BY_PATH: readonly [string, FileClass][] = [
  ['/models/base/m/model-00001-of-00002.safetensors', 'model'],
  ['/models/quantized/m.Q4_K_M.gguf', 'model'],
  ['/models/quantized/M.GGUF', 'model'],
  ['/models/base/bert/pytorch_model.bin', 'model'],
  ['/models/base/x/consolidated.00.pth', 'model'],
  ['/models/vision/net.onnx', 'model'],
  ['/models/edge/net.tflite', 'model'],
  ['/models/base/m/config.json', 'config'],
  ['/models/base/m/tokenizer.json', 'config'],
  ['/models/adapters/fr/adapter_model.safetensors', 'adapter'],
  ['/models/adapters/fr/weights.safetensors', 'adapter'],
  ['/models/adapters/fr/adapter_config.json', 'adapter'],
  ['/elsewhere/my-lora.safetensors', 'adapter'],
  ['/elsewhere/style_lora_v2.gguf', 'adapter'],
  ['/elsewhere/explorations.safetensors', 'model'],
  [`/ollama/blobs/sha256-${'a'.repeat(64)}`, 'model'],
  [`/hub/models--x/blobs/${'b'.repeat(64)}`, 'model'],
  ['/vectors/docs/data.bin', 'vector-index'],
  ['/anywhere/docs.faiss', 'vector-index'],
  ['/anywhere/t.lance/data/0.bin', 'vector-index'],
  ['/chroma/hnsw_index.bin', 'vector-index'],
  ['/vectors/chroma.sqlite3', 'database'],
  ['/data/conversations/chat.db', 'database'],
  ['/data/conversations/chat.db-wal', 'database'],
  ['/data/memories/data.mdb', 'database'],
  ['/data/a.duckdb', 'database'],
  ['/data/documents/report.pdf', 'document'],
  ['/data/documents/no-extension', 'document'],
  ['/cache/whatever', 'cache'],
  ['/home/.cache/pip/x', 'cache'],
  ['/models/base/m.gguf.part', 'cache'],
  ['/config/server', 'config'],
  ['/config/server.yaml', 'config'],
  ['/a', 'other'],
  ['/', 'other'],
  ['/constructor', 'other'],
  ['/x.toString', 'other'],
];

for (const [path, expected] of BY_PATH) {
  test(`a file named ${path} is treated as ${expected}`, () => {
    assert.equal(classifyByPath(path), expected);
  });
}

function safetensors(header: string): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header)]);
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const BY_CONTENT: readonly [string, Buffer, string, FileClass][] = [
  ['safetensors', safetensors('{"a.weight":{"dtype":"F16"}}'), '/x', 'model'],
  ['safetensors with metadata', safetensors('{ "__metadata__":{}}'), '/x', 'model'],
  ['lora tensors', safetensors('{"q_proj.lora_A.weight":{}}'), '/x', 'adapter'],
  ['safetensors among adapters', safetensors('{"a":{}}'), '/models/adapters/a/w', 'adapter'],
  ['GGUF', latin1('GGUF\x03\0\0\0'), '/x', 'model'],
  [
    'GGUF adapter',
    latin1('GGUF\x03\0\0\0general.type\x08\0\0\0\x07\0\0\0\0\0\0\0adapter'),
    '/x',
    'adapter',
  ],
  ['TensorFlow Lite', latin1('\x1c\0\0\0TFL3'), '/x', 'model'],
  ['ONNX by its name and shape', latin1('\x08\x07\x12\x07pytorch'), '/net.onnx', 'model'],
  ['protobuf that is not named ONNX', latin1('\x08\x07\x12\x07pytorch'), '/x', 'other'],
  ['torch.save archive', latin1('PK\x03\x04aaaaarchive/data.pkl'), '/x.bin', 'model'],
  ['an office document', latin1('PK\x03\x04[Content_Types].xml'), '/a.docx', 'document'],
  ['old PyTorch pickle', latin1('\x80\x02\x8a\x0al'), '/x', 'model'],
  ['a pickle in the cache', latin1('\x80\x04\x95\x01'), '/cache/x', 'cache'],
  ['SQLite', latin1('SQLite format 3\0'), '/x', 'database'],
  ['SQLite in vectors/', latin1('SQLite format 3\0'), '/vectors/x', 'vector-index'],
  ['DuckDB', latin1('\0\0\0\0\0\0\0\0DUCK'), '/x', 'database'],
  ['LMDB', Buffer.concat([Buffer.alloc(16), latin1('\xde\xc0\xef\xbe')]), '/x', 'database'],
  ['FAISS', latin1('IxF2\0\0'), '/x', 'vector-index'],
  ['PDF', latin1('%PDF-1.7'), '/x', 'document'],
  ['nothing known', latin1('hello'), '/models/base/readme', 'other'],
  ['an empty file', Buffer.alloc(0), '/a.gguf', 'model'],
  ['a short file', latin1('G'), '/x', 'other'],
];

for (const [what, bytes, path, expected] of BY_CONTENT) {
  test(`content decides: ${what} at ${path} is ${expected}`, () => {
    assert.equal(classifyByContent(bytes, path), expected);
  });
}
