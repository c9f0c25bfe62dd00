// ChunkReader and ChunkBatch for JavaScript: batches are made ahead while one is used.
#include <optional>

#include "addon/content.h"
#include "content/batches_ahead.h"

namespace coral::addon {

namespace {

// Everything here happens on the JavaScript thread.
class PromisedBatches : public std::enable_shared_from_this<PromisedBatches> {
 public:
  PromisedBatches(Napi::Env env, const std::shared_ptr<ChunkReader>& reader)
      : ahead_(std::make_shared<BatchesAhead>(reader)), queue_(TaskQueue::For(env)) {}

  Napi::Value Next(Napi::Env env) {
    if (waiting_) return Rejected(env, Status::Error(EBUSY, "next"));
    if (closed_) return Rejected(env, Status::Error(ECANCELED, "next"));
    auto deferred = Napi::Promise::Deferred::New(env);
    const auto step = ahead_->Take([self = shared_from_this()](const BatchesAhead::Step& made) {
      self->queue_->Post([self, made](Napi::Env task_env) { self->Finish(task_env, made); });
    });
    if (step) {
      Deliver(env, deferred, *step);
    } else {
      queue_->Hold(env);
      waiting_ = deferred;
    }
    return deferred.Promise();
  }

  void Close() {
    closed_ = true;
    ahead_->Close();
  }

 private:
  void Finish(Napi::Env env, const BatchesAhead::Step& step) {
    Napi::HandleScope scope(env);
    const auto deferred = *waiting_;
    waiting_.reset();
    Deliver(env, deferred, step);
    queue_->Release(env);
  }

  static void Deliver(Napi::Env env, const Napi::Promise::Deferred& deferred,
                      const BatchesAhead::Step& step) {
    if (!step.status.ok()) {
      deferred.Reject(ToError(env, step.status).Value());
    } else if (step.batch == nullptr) {
      deferred.Resolve(env.Null());
    } else {
      deferred.Resolve(NewBatch(env, step.batch));
    }
  }

  const std::shared_ptr<BatchesAhead> ahead_;
  const std::shared_ptr<TaskQueue> queue_;
  std::optional<Napi::Promise::Deferred> waiting_;
  bool closed_ = false;
};

Napi::Value DigestOf(Napi::Env env, const ChunkReader& reader) {
  FileDigest::Value digest;
  if (!reader.Digest(&digest)) {
    ThrowIfError(env, Status::Error(EAGAIN, "digest"));
    return env.Undefined();
  }
  return Napi::Buffer<uint8_t>::Copy(env, digest.data(), digest.size());
}

Napi::Value CreateChunkReader(const Napi::CallbackInfo& info) {
  uint64_t numbers[4];
  for (size_t i = 0; i < 4; i++) {
    if (!ReadInteger(info[i + 1], &numbers[i])) return ThrowInvalid(info.Env(), "chunk reader");
  }
  const auto [min, average, max, batch_bytes] = numbers;
  const ChunkLimits limits{static_cast<uint32_t>(std::min<uint64_t>(min, UINT32_MAX)),
                           static_cast<uint32_t>(std::min<uint64_t>(average, UINT32_MAX)),
                           static_cast<uint32_t>(std::min<uint64_t>(max, UINT32_MAX))};
  if (!AreValid(limits)) return ThrowInvalid(info.Env(), "chunk reader");
  std::vector<uint64_t> cuts;
  if (!info[5].IsUndefined() && !ReadOffsets(info[5], &cuts))
    return ThrowInvalid(info.Env(), "chunk reader");
  UniqueFd fd;
  if (ThrowIfError(info.Env(), DuplicateFd(info[0], &fd))) return info.Env().Undefined();
  auto reader = std::make_shared<ChunkReader>(std::move(fd), limits, batch_bytes, std::move(cuts));
  auto batches = std::make_shared<PromisedBatches>(info.Env(), reader);
  auto object = Napi::Object::New(info.Env());
  AddMethod(object, "next",
            [batches](const Napi::CallbackInfo& call) { return batches->Next(call.Env()); });
  AddMethod(object, "digest",
            [reader](const Napi::CallbackInfo& call) { return DigestOf(call.Env(), *reader); });
  AddMethod(object, "close", [batches](const Napi::CallbackInfo&) { batches->Close(); });
  AddGetter(object, "bytesRead", [reader](const Napi::CallbackInfo& call) -> Napi::Value {
    return Napi::Number::New(call.Env(), static_cast<double>(reader->bytes_read()));
  });
  return object;
}

}  // namespace

Napi::Object NewBatch(Napi::Env env, const std::shared_ptr<const ChunkBatch>& batch) {
  auto handle = std::make_shared<BatchHandle>(batch);
  auto object = NewHolder(env, handle);
  object.Set("count", Napi::Number::New(env, static_cast<double>(batch->count())));
  const auto* hashes = reinterpret_cast<const uint8_t*>(batch->hashes.data());
  object.Set("hashes", Napi::Buffer<uint8_t>::Copy(env, hashes, batch->count() * sizeof(Hash)));
  object.Set("lengths", NewUint32Array(env, batch->lengths));
  auto zero = Napi::Uint8Array::New(env, batch->count());
  std::copy(batch->zero.begin(), batch->zero.end(), zero.Data());
  object.Set("zero", zero);
  AddMethod(object, "release", [handle](const Napi::CallbackInfo&) { handle->batch.reset(); });
  return object;
}

void RegisterChunkReader(Napi::Env, Napi::Object exports) {
  AddMethod(exports, "createChunkReader", CreateChunkReader);
}

}  // namespace coral::addon
