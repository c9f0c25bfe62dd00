// encodeChunks, PackWriter, scanPack, repairPack, makeParity and mendRecords for JavaScript.
#include <atomic>

#include "addon/content.h"
#include "content/mend.h"
#include "content/pack_scan.h"
#include "content/pack_writer.h"
#include "content/parity.h"
#include "io/copy_rate.h"

namespace coral::addon {

namespace {

struct WriterHandle {
  std::shared_ptr<PackWriter> writer;  // JavaScript thread only; null once closed
  uint64_t final_size = 0;             // JavaScript thread only
  std::atomic<bool> busy = false;      // A call is under way.
  // Of that call, where it is copyRecords. JavaScript thread only.
  std::shared_ptr<CopyControl> copying;

  uint64_t size() const { return writer == nullptr ? final_size : writer->size(); }
};

using WriterWork = std::function<Status(PackWriter&)>;
using Finish = std::function<Napi::Value(Napi::Env)>;

// Runs one call of the writer at a time.
Napi::Value RunOnWriter(Napi::Env env, const std::shared_ptr<WriterHandle>& handle,
                        WorkerPool& pool, WriterWork work, Finish finish,
                        std::shared_ptr<CopyControl> copying = nullptr) {
  if (handle->writer == nullptr) return Rejected(env, Status::Error(EBADF, "pack writer"));
  if (handle->busy.exchange(true)) return Rejected(env, Status::Error(EBUSY, "pack writer"));
  handle->copying = std::move(copying);
  return RunAsync(
      env, pool,
      [handle, writer = handle->writer, work = std::move(work)] {
        auto status = work(*writer);
        handle->busy = false;
        return status;
      },
      std::move(finish));
}

Napi::Value Undefined(Napi::Env env) { return env.Undefined(); }

Finish FinishAppended(std::shared_ptr<const Appended> appended) {
  return [appended = std::move(appended)](Napi::Env env) -> Napi::Value {
    auto result = Napi::Object::New(env);
    result.Set("offsets", NewOffsetArray(env, appended->offsets));
    result.Set("stored", NewUint32Array(env, appended->stored));
    return result;
  };
}

Napi::Value Encode(const Napi::CallbackInfo& info) {
  const auto held = HeldBy<BatchHandle>(info[0]);
  std::vector<uint32_t> indexes;
  uint64_t level = 0;
  uint64_t chain = 0;
  if (held == nullptr || held->batch == nullptr || !ReadUint32s(info[1], &indexes) ||
      !ReadInteger(info[2], &level) || level > 19 || !ReadInteger(info[3], &chain) ||
      chain > kMaxChain) {
    return Rejected(info.Env(), Status::Error(EINVAL, "encode"));
  }
  auto chunks = std::make_shared<std::vector<EncodedChunk>>();
  return RunAsync(
      info.Env(), WorkerPool::Background(),
      [batch = held->batch, indexes = std::move(indexes), chunks,
       encoding = Encoding{static_cast<int>(level), static_cast<uint32_t>(chain)}] {
        return EncodeChunks(batch, indexes, encoding, chunks.get());
      },
      [chunks](Napi::Env env) -> Napi::Value {
        auto handle = std::make_shared<EncodedHandle>(EncodedHandle{chunks});
        auto object = NewHolder(env, handle);
        AddMethod(object, "release",
                  [handle](const Napi::CallbackInfo&) { handle->chunks.reset(); });
        return object;
      });
}

Napi::Value Append(const Napi::CallbackInfo& info, const std::shared_ptr<WriterHandle>& handle) {
  const auto held = HeldBy<EncodedHandle>(info[0]);
  if (held == nullptr || held->chunks == nullptr) {
    return Rejected(info.Env(), Status::Error(EINVAL, "append"));
  }
  auto appended = std::make_shared<Appended>();
  return RunOnWriter(
      info.Env(), handle, WorkerPool::Background(),
      [chunks = held->chunks, appended](PackWriter& writer) {
        return writer.Append(*chunks, appended.get());
      },
      FinishAppended(appended));
}

Napi::Value CopyRecords(const Napi::CallbackInfo& info,
                        const std::shared_ptr<WriterHandle>& handle) {
  RecordPlaces records;
  uint64_t source_id = 0;
  if (!info[0].IsString() || !ReadInteger(info[1], &source_id) ||
      !ReadOffsets(info[2], &records.offsets) || !ReadUint32s(info[3], &records.stored) ||
      records.offsets.size() != records.stored.size()) {
    return Rejected(info.Env(), Status::Error(EINVAL, "copy records"));
  }
  auto appended = std::make_shared<Appended>();
  auto control = ControlOf(info[4]);
  return RunOnWriter(
      info.Env(), handle, CopyPool(),
      [source = info[0].As<Napi::String>().Utf8Value(), source_id, records = std::move(records),
       control, appended](PackWriter& writer) {
        return writer.CopyRecords(source, source_id, records, *control, appended.get());
      },
      FinishAppended(appended), control);
}

// Beside whatever else runs on the writer.
Napi::Value Sync(const Napi::CallbackInfo& info, const std::shared_ptr<WriterHandle>& handle) {
  if (handle->writer == nullptr) return Rejected(info.Env(), Status::Error(EBADF, "pack writer"));
  return RunAsync(
      info.Env(), WorkerPool::Background(), [writer = handle->writer] { return writer->Sync(); },
      Undefined);
}

void Close(const std::shared_ptr<WriterHandle>& handle) {
  if (handle->writer == nullptr) return;
  // The background rate may hold it up. What has ended needs no end: its control may go on to the
  // next pack.
  if (handle->busy && handle->copying != nullptr) handle->copying->Cancel();
  handle->final_size = handle->writer->size();
  handle->writer.reset();
}

Napi::Object NewWriter(Napi::Env env, std::shared_ptr<PackWriter> writer) {
  auto handle = std::make_shared<WriterHandle>();
  handle->writer = std::move(writer);
  auto object = Napi::Object::New(env);
  AddGetter(object, "size", [handle](const Napi::CallbackInfo& info) -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(handle->size()));
  });
  AddMethod(object, "append",
            [handle](const Napi::CallbackInfo& info) { return Append(info, handle); });
  AddMethod(object, "copyRecords",
            [handle](const Napi::CallbackInfo& info) { return CopyRecords(info, handle); });
  AddMethod(object, "sync",
            [handle](const Napi::CallbackInfo& info) { return Sync(info, handle); });
  AddMethod(object, "seal", [handle](const Napi::CallbackInfo& info) {
    return RunOnWriter(
        info.Env(), handle, WorkerPool::Background(), [](PackWriter& held) { return held.Seal(); },
        Undefined);
  });
  AddMethod(object, "writeParity", [handle](const Napi::CallbackInfo& info) {
    return RunOnWriter(
        info.Env(), handle, WorkerPool::Background(),
        [](PackWriter& held) { return held.WriteParity(); }, Undefined);
  });
  AddMethod(object, "close", [handle](const Napi::CallbackInfo&) { Close(handle); });
  return object;
}

Napi::Value CreatePackWriter(const Napi::CallbackInfo& info) {
  PackIdentity identity;
  if (!info[0].IsString() || !ReadInteger(info[1], &identity.pack_id) ||
      !ReadVolumeId(info[2], &identity.volume_id)) {
    return ThrowInvalid(info.Env(), "pack writer");
  }
  std::shared_ptr<PackWriter> writer;
  const auto path = info[0].As<Napi::String>().Utf8Value();
  const auto status = PackWriter::Create(path, identity, &writer);
  if (ThrowIfError(info.Env(), status)) return info.Env().Undefined();
  return NewWriter(info.Env(), std::move(writer));
}

Napi::Value NewScan(Napi::Env env, const PackContents& contents) {
  const size_t count = contents.entries.size();
  auto hashes = Napi::Buffer<uint8_t>::New(env, count * sizeof(Hash));
  auto offsets = Napi::Float64Array::New(env, count);
  auto stored = Napi::Uint32Array::New(env, count);
  auto lengths = Napi::Uint32Array::New(env, count);
  for (size_t i = 0; i < count; i++) {
    const auto& entry = contents.entries[i];
    std::copy(entry.hash.begin(), entry.hash.end(), hashes.Data() + i * sizeof(Hash));
    offsets[i] = static_cast<double>(entry.offset);
    stored[i] = entry.stored;
    lengths[i] = entry.length;
  }
  auto scan = Napi::Object::New(env);
  const auto number = [env](uint64_t value) {
    return Napi::Number::New(env, static_cast<double>(value));
  };
  scan.Set("packId", number(contents.identity.pack_id));
  const auto& volume_id = contents.identity.volume_id;
  scan.Set("volumeId", Napi::Buffer<uint8_t>::Copy(env, volume_id.data(), volume_id.size()));
  scan.Set("sealed", Napi::Boolean::New(env, contents.sealed));
  scan.Set("validLength", number(contents.valid_length));
  scan.Set("fileLength", number(contents.file_length));
  scan.Set("count", number(count));
  scan.Set("hashes", hashes);
  scan.Set("offsets", offsets);
  scan.Set("stored", stored);
  scan.Set("lengths", lengths);
  scan.Set("bad", NewUint32Array(env, contents.bad));
  return scan;
}

Napi::Value Scan(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return Rejected(info.Env(), Status::Error(EINVAL, "scan pack"));
  const bool deep = info[1].ToBoolean().Value();
  auto contents = std::make_shared<PackContents>();
  // Recovery at start scans and waits for no rate; a deep scan does.
  auto& pool = deep ? CheckPool() : WorkerPool::Background();
  return RunAsync(
      info.Env(), pool,
      [path = info[0].As<Napi::String>().Utf8Value(), deep, contents] {
        return ScanPack(path, deep, contents.get());
      },
      [contents](Napi::Env env) { return NewScan(env, *contents); });
}

Napi::Value Repair(const Napi::CallbackInfo& info) {
  uint64_t valid_length = 0;
  if (!info[0].IsString() || !ReadInteger(info[1], &valid_length)) {
    return Rejected(info.Env(), Status::Error(EINVAL, "repair pack"));
  }
  auto length = std::make_shared<uint64_t>(0);
  return RunAsync(
      info.Env(), WorkerPool::Background(),
      [path = info[0].As<Napi::String>().Utf8Value(), valid_length, length] {
        return RepairPack(path, valid_length, length.get());
      },
      [length](Napi::Env env) -> Napi::Value {
        return Napi::Number::New(env, static_cast<double>(*length));
      });
}

Napi::Value MakeParityOf(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return Rejected(info.Env(), Status::Error(EINVAL, "make parity"));
  return RunAsync(
      info.Env(), CopyPool(),
      [path = info[0].As<Napi::String>().Utf8Value(), control = ControlOf(info[1])] {
        return MakeParity(path, *control);
      },
      Undefined);
}

// The records of an object of parallel arrays, as in src/native-content.ts.
bool ReadChunkRecords(Napi::Value value, std::vector<ChunkRecord>* records) {
  if (!value.IsObject()) return false;
  const auto object = value.As<Napi::Object>();
  std::vector<uint64_t> offsets;
  std::vector<uint32_t> stored;
  std::vector<uint32_t> lengths;
  const Napi::Value hashes = object.Get("hashes");
  if (!ReadOffsets(object.Get("offsets"), &offsets) ||
      !ReadUint32s(object.Get("stored"), &stored) ||
      !ReadUint32s(object.Get("lengths"), &lengths) || !hashes.IsBuffer()) {
    return false;
  }
  const auto bytes = hashes.As<Napi::Buffer<uint8_t>>();
  if (stored.size() != offsets.size() || lengths.size() != offsets.size() ||
      bytes.Length() != offsets.size() * sizeof(Hash)) {
    return false;
  }
  for (size_t i = 0; i < offsets.size(); i++) {
    records->push_back({offsets[i], stored[i], lengths[i], {}});
    std::copy_n(bytes.Data() + i * sizeof(Hash), sizeof(Hash), records->back().hash.begin());
  }
  return true;
}

Napi::Value Mend(const Napi::CallbackInfo& info) {
  PackIdentity identity;
  std::vector<ChunkRecord> records;
  if (!info[0].IsString() || !ReadInteger(info[1], &identity.pack_id) ||
      !ReadVolumeId(info[2], &identity.volume_id) || !ReadChunkRecords(info[3], &records)) {
    return Rejected(info.Env(), Status::Error(EINVAL, "mend records"));
  }
  auto good = std::make_shared<std::vector<uint32_t>>();
  return RunAsync(
      info.Env(), WorkerPool::Background(),
      [path = info[0].As<Napi::String>().Utf8Value(), identity, records = std::move(records),
       control = ControlOf(info[4]),
       good] { return MendRecords(path, identity, records, *control, good.get()); },
      [good](Napi::Env env) { return NewUint32Array(env, *good); });
}

}  // namespace

void RegisterPacks(Napi::Env, Napi::Object exports) {
  AddMethod(exports, "encodeChunks", Encode);
  AddMethod(exports, "createPackWriter", CreatePackWriter);
  AddMethod(exports, "scanPack", Scan);
  AddMethod(exports, "repairPack", Repair);
  AddMethod(exports, "makeParity", MakeParityOf);
  AddMethod(exports, "mendRecords", Mend);
}

}  // namespace coral::addon
