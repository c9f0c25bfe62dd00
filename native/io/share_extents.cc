#include "io/share_extents.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_rate.h"
#include "io/file_map.h"
#include "io/residence.h"

namespace coral {

namespace {

constexpr uint64_t kStep = 2 << 20;

struct Span {
  uint64_t begin;
  uint64_t end;
};
using Spans = std::vector<Span>;

void Append(Spans& spans, uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  if (!spans.empty() && spans.back().end == begin) {
    spans.back().end = end;
  } else {
    spans.push_back({begin, end});
  }
}

// Where `a` and `b` lie at one place.
Span CommonPart(const Place& a, const Place& b) {
  const Span span{std::max(a.offset, b.offset), std::min(a.offset + a.length, b.offset + b.length)};
  if (!a.fixed || !b.fixed || span.begin >= span.end) return {0, 0};
  const bool same = a.physical + (span.begin - a.offset) == b.physical + (span.begin - b.offset);
  return same ? span : Span{0, 0};
}

// The parts of the window in which the target has blocks that are not the source's.
Spans OwnSpans(const std::vector<Place>& source, const std::vector<Place>& target, Span window) {
  Spans own;
  for (const auto& place : target) {
    uint64_t position = std::max(place.offset, window.begin);
    const uint64_t end = std::min(place.offset + place.length, window.end);
    for (const auto& other : source) {
      const Span common = CommonPart(other, place);
      if (common.end <= position || common.begin >= end) continue;
      Append(own, position, common.begin);
      position = common.end;
    }
    Append(own, position, end);
  }
  return own;
}

// Adds the blocks that are equal in two buffers read at `offset`.
void AppendEqual(const uint8_t* a, const uint8_t* b, uint64_t offset, uint64_t length,
                 uint64_t block, Spans& equal) {
  for (uint64_t done = 0; done < length; done += block) {
    const uint64_t step = std::min(block, length - done);
    if (memcmp(a + done, b + done, step) != 0) continue;
    Append(equal, offset + done, offset + done + step);
  }
}

Status CompareSpan(const FilePair& pair, Span span, CopyControl& control, Spans& equal) {
  const auto a = TakeBuffer(kStep);
  const auto b = TakeBuffer(kStep);
  while (span.begin < span.end) {
    const uint64_t want = std::min(kStep, span.end - span.begin);
    auto status = PassBackground(2 * want, &control);
    size_t got_a = 0;
    size_t got_b = 0;
    if (status.ok()) status = ReadAt(pair.source, a.get(), want, span.begin, &got_a);
    if (status.ok()) status = ReadAt(pair.target, b.get(), want, span.begin, &got_b);
    if (!status.ok()) return status;
    const uint64_t got = std::min(got_a, got_b);
    AppendEqual(a.get(), b.get(), span.begin, got, pair.block, equal);
    if (got < want) break;
    span.begin += want;
  }
  return Status::Ok();
}

Status ShareOwn(const FilePair& pair, const Spans& own, Span window, uint64_t shortest,
                CopyControl& control, uint64_t* shared) {
  Spans equal;
  for (const auto& span : own) {
    auto status = CompareSpan(pair, span, control, equal);
    if (!status.ok()) return status;
  }
  for (const auto& span : equal) {
    // At the edge of a window it may go on.
    const bool cut = span.begin == window.begin || span.end == window.end;
    if (!cut && span.end - span.begin < shortest) continue;
    auto status = Dedupe(pair, span.begin, span.end, shared);
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Status ShareWindow(const FilePair& pair, Span window, uint64_t shortest, CopyControl& control,
                   uint64_t* shared) {
  const uint64_t length = window.end - window.begin;
  std::vector<Place> source;
  std::vector<Place> target;
  auto status = PlacesOf(pair.source, window.begin, length, &source);
  if (status.ok()) status = PlacesOf(pair.target, window.begin, length, &target);
  if (!status.ok()) return status;
  const Spans own = OwnSpans(source, target, window);
  if (own.empty()) return status;
  const Residence source_pages(pair.source, window.begin, length);
  const Residence target_pages(pair.target, window.begin, length);
  status = ShareOwn(pair, own, window, shortest, control, shared);
  source_pages.Restore();
  target_pages.Restore();
  return status;
}

}  // namespace

Status ShareExtents(int source, int target, const ShareRange& range, CopyControl& control,
                    uint64_t* shared) {
  *shared = 0;
  if (range.offset % kDedupeLimit != 0) return Status::Error(EINVAL, "share");
  FilePair pair{-1, -1};
  auto status = MeasurePair(source, target, &pair);
  const uint64_t end = std::min(pair.size, range.offset + range.length);
  for (uint64_t begin = range.offset; status.ok() && begin < end; begin += kDedupeLimit) {
    if (control.cancelled()) return Status::Error(ECANCELED, "share");
    const Span window{begin, std::min(begin + kDedupeLimit, end)};
    status = ShareWindow(pair, window, range.shortest, control, shared);
    control.Add(window.end - window.begin);
  }
  return status;
}

}  // namespace coral
