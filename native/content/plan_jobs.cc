#include "content/plan_jobs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "io/copy_bytes.h"
#include "io/copy_rate.h"

namespace coral {

namespace {

void Update(FileDigest& digest, const ReadResult& data) {
  for (const auto& span : data.spans) digest.Update(span.iov_base, span.iov_len);
}

// Goes through the plan group by group at the background rate.
Status ForEachGroup(const Plan& plan, CopyControl& control,
                    const std::function<Status(const PlanGroup&)>& visit) {
  for (size_t first = 0; first < plan.count();) {
    const auto group = plan.GroupAt(first);
    auto status = PassBackground(group.zero ? 0 : group.length, &control);
    if (!status.ok()) return status;
    status = visit(group);
    if (!status.ok()) return status;
    control.Add(group.length);
    first = group.last;
  }
  return Status::Ok();
}

// A group of which some chunk is bad, one by one.
void CheckEach(Plan& plan, const PlanGroup& group, std::vector<uint32_t>& bad) {
  for (size_t chunk = group.first; chunk < group.last; chunk++) {
    ReadResult data;
    Damage damage;
    if (plan.CheckChunks(chunk, chunk + 1, &data, &damage).ok()) continue;
    bad.push_back(static_cast<uint32_t>(chunk));
  }
}

// Takes the space of [from, to). Filesystems that can't are left to find out while writing.
Status Reserve(int fd, uint64_t from, uint64_t to) {
  int done;
  do {
    done =
        fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from), static_cast<off_t>(to - from));
  } while (done != 0 && errno == EINTR);
  if (done == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return Status::Ok();
  return Status::FromErrno("fallocate");
}

Status ReserveAll(const Plan& plan, int fd) {
  uint64_t from = 0;
  uint64_t to = 0;
  for (size_t first = 0; first < plan.count();) {
    const auto group = plan.GroupAt(first);
    first = group.last;
    if (group.zero) continue;
    if (group.offset != to && to > from) {
      auto status = Reserve(fd, from, to);
      if (!status.ok()) return status;
    }
    if (group.offset != to) from = group.offset;
    to = group.offset + group.length;
  }
  return to > from ? Reserve(fd, from, to) : Status::Ok();
}

Status Empty(int fd, uint64_t size) {
  // To nothing first: whatever was there must not show through the holes.
  if (ftruncate(fd, 0) != 0) return Status::FromErrno("ftruncate");
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) return Status::FromErrno("ftruncate");
  return Status::Ok();
}

}  // namespace

Status CheckPlan(Plan& plan, CopyControl& control, FileDigest& digest, std::vector<uint32_t>& bad) {
  auto status = plan.DropPages();
  if (!status.ok()) return status;
  status = ForEachGroup(plan, control, [&](const PlanGroup& group) {
    ReadResult data;
    Damage damage;
    if (group.zero) {
      digest.UpdateZeros(group.length);
    } else if (plan.CheckChunks(group.first, group.last, &data, &damage).ok()) {
      Update(digest, data);
    } else {
      CheckEach(plan, group, bad);
    }
    return Status::Ok();
  });
  // Nobody asked for what was read: it must not push out of the page cache what programs use.
  return status.ok() ? plan.DropPages() : status;
}

Status ReadAll(Plan& plan, bool from_medium, CopyControl& control, uint8_t* bytes) {
  auto status = from_medium ? plan.DropPages() : Status::Ok();
  if (!status.ok()) return status;
  status = ForEachGroup(plan, control, [&](const PlanGroup& group) {
    auto* to = bytes + group.offset;
    if (group.zero) {
      memset(to, 0, group.length);
      return Status::Ok();
    }
    ReadResult data;
    Damage damage;
    auto done = from_medium ? plan.CheckChunks(group.first, group.last, &data, &damage)
                            : plan.ReadChunks(group.first, group.last, &data, &damage);
    if (!done.ok()) return done;
    for (const auto& span : data.spans) {
      to = std::copy_n(static_cast<const uint8_t*>(span.iov_base), span.iov_len, to);
    }
    return done;
  });
  return status.ok() && from_medium ? plan.DropPages() : status;
}

Status Hydrate(Plan& plan, int fd, ReadBackWhen when, CopyControl& control, CheckedCopy* result) {
  auto status = Empty(fd, plan.size());
  if (!status.ok()) return status;
  status = ReserveAll(plan, fd);
  if (!status.ok()) return status;
  FileDigest digest;
  ReadBack read_back(fd, control, when);
  status = ForEachGroup(plan, control, [&](const PlanGroup& group) {
    if (group.zero) {
      digest.UpdateZeros(group.length);
      return Status::Ok();
    }
    ReadResult data;
    Damage damage;
    auto done = plan.ReadChunks(group.first, group.last, &data, &damage);
    if (!done.ok()) return done;
    Update(digest, data);
    done = WriteAt(fd, std::move(data.spans), group.offset);
    return done.ok() ? read_back.Advance(group.offset + group.length) : done;
  });
  if (!status.ok()) return status;
  result->copied = {plan.size(), digest.Finish()};
  return read_back.Finish(&result->found);
}

}  // namespace coral
