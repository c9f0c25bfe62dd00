// The io section of the border: files that have blocks in common.
#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/content.h"
#include "io/copy_rate.h"
#include "io/file_map.h"
#include "io/samples.h"
#include "io/share_extents.h"

namespace coral::addon {

namespace {

Napi::Value CanShareExtents(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto directory = args.String(0);
  if (!args.ok()) return {};
  const auto can = std::make_shared<bool>(false);
  return RunAsync(
      info.Env(), WorkerPool::Foreground(),
      [=] {
        *can = CanShareIn(directory);
        return Status::Ok();
      },
      [=](Napi::Env env) { return Napi::Boolean::New(env, *can); });
}

Napi::Value NewNumber(Napi::Env env, const std::shared_ptr<uint64_t>& number) {
  return Napi::Number::New(env, static_cast<double>(*number));
}

Napi::Value BytesShared(const Napi::CallbackInfo& info) {
  const auto fd = std::make_shared<UniqueFd>();
  const auto status = DuplicateFd(info[0], fd.get());
  if (!status.ok()) return Rejected(info.Env(), status);
  const auto bytes = std::make_shared<uint64_t>(0);
  return RunAsync(
      info.Env(), WorkerPool::Foreground(),
      [=] {
        std::vector<Place> places;
        auto found = PlacesOf(fd->get(), 0, std::numeric_limits<uint64_t>::max(), &places);
        *bytes = SharedIn(places);
        return found;
      },
      [=](Napi::Env env) { return NewNumber(env, bytes); });
}

Napi::Value NewNumbers(Napi::Env env, const std::array<uint64_t, kSamples>& numbers) {
  auto array = Napi::Float64Array::New(env, numbers.size());
  std::copy(numbers.begin(), numbers.end(), array.Data());
  return array;
}

Napi::Value Sample(const Napi::CallbackInfo& info) {
  const auto fd = std::make_shared<UniqueFd>();
  const auto status = DuplicateFd(info[0], fd.get());
  if (!status.ok()) return Rejected(info.Env(), status);
  const auto samples = std::make_shared<FileSamples>();
  return RunAsync(
      info.Env(), CopyPool(), [fd, samples] { return SampleFile(fd->get(), samples.get()); },
      [=](Napi::Env env) -> Napi::Value {
        auto result = Napi::Object::New(env);
        result["hashes"] = NewNumbers(env, samples->hashes);
        result["places"] = NewNumbers(env, samples->places);
        result["sharedBytes"] = Napi::Number::New(env, static_cast<double>(samples->shared));
        return result;
      });
}

Napi::Value Share(const Napi::CallbackInfo& info) {
  const auto source = std::make_shared<UniqueFd>();
  const auto target = std::make_shared<UniqueFd>();
  auto status = DuplicateFd(info[0], source.get());
  if (status.ok()) status = DuplicateFd(info[1], target.get());
  ShareRange range;
  const bool valid = ReadInteger(info[2], &range.offset) && ReadInteger(info[3], &range.length) &&
                     ReadInteger(info[4], &range.shortest);
  if (status.ok() && !valid) status = Status::Error(EINVAL, "share");
  if (!status.ok()) return Rejected(info.Env(), status);
  const auto shared = std::make_shared<uint64_t>(0);
  return RunAsync(
      info.Env(), CopyPool(),
      [=, control = ControlOf(info[5])] {
        return ShareExtents(source->get(), target->get(), range, *control, shared.get());
      },
      [=](Napi::Env env) { return NewNumber(env, shared); });
}

}  // namespace

void RegisterIoShare(Napi::Env, Napi::Object exports) {
  AddMethod(exports, "canShareExtents", CanShareExtents);
  AddMethod(exports, "sharedBytes", BytesShared);
  AddMethod(exports, "sampleFile", Sample);
  AddMethod(exports, "shareExtents", Share);
}

}  // namespace coral::addon
