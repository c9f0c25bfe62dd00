#include "fuse/mount_helper.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstring>
#include <vector>

extern char** environ;

namespace coral::fuse {

namespace {

constexpr const char* kHelper = "fusermount3";
// The helper's contract: it sends the mounted descriptor over the socket that this variable names.
constexpr const char* kSocketVariable = "_FUSE_COMMFD";

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (auto& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(int socket) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; entry++) environment.emplace_back(*entry);
  if (socket >= 0) {
    environment.push_back(std::string(kSocketVariable) + "=" + std::to_string(socket));
  }
  return environment;
}

std::string ReadAll(int fd) {
  std::string text;
  char part[512];
  for (;;) {
    const ssize_t got = read(fd, part, sizeof(part));
    if (got > 0) {
      text.append(part, static_cast<size_t>(got));
    } else if (got == 0 || errno != EINTR) {
      return text;
    }
  }
}

std::string WithoutNewlines(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

// Starts the helper with stderr in `error_out` and, where given, `socket` inherited.
Status Spawn(std::vector<std::string> arguments, int socket, int error_out, pid_t* child) {
  auto environment = Environment(socket);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, error_out, STDERR_FILENO);
  // A dup2 onto itself clears close-on-exec in the child only.
  if (socket >= 0) posix_spawn_file_actions_adddup2(&actions, socket, socket);
  const int failed = posix_spawnp(child, kHelper, &actions, nullptr, Pointers(arguments).data(),
                                  Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  return failed == 0 ? Status::Ok() : Status::Error(failed, "spawn", kHelper);
}

Status Await(pid_t child, const std::string& mountpoint) {
  int state = 0;
  while (waitpid(child, &state, 0) < 0) {
    if (errno != EINTR) return Status::FromErrno("waitpid", kHelper);
  }
  const bool succeeded = WIFEXITED(state) && WEXITSTATUS(state) == 0;
  return succeeded ? Status::Ok() : Status::Error(EPERM, kHelper, mountpoint);
}

struct Helper {
  pid_t child = 0;
  UniqueFd errors;  // the reading end of its stderr
};

Status Start(std::vector<std::string> arguments, int socket, Helper* helper) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Status::FromErrno("pipe");
  helper->errors.reset(ends[0]);
  UniqueFd write_end(ends[1]);
  return Spawn(std::move(arguments), socket, write_end.get(), &helper->child);
}

// Waits for its end.
Status Finish(Helper* helper, const std::string& mountpoint, std::string* message) {
  *message = WithoutNewlines(ReadAll(helper->errors.get()));
  return Await(helper->child, mountpoint);
}

// Takes the descriptor that the helper sends; invalid where it ends without one.
UniqueFd TakeDescriptor(int socket) {
  char byte;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got = 0;
  do {
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return UniqueFd();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return UniqueFd();
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return UniqueFd(fd);
}

}  // namespace

Status MountByHelper(const HelperRequest& request, UniqueFd* device, std::string* message) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Status::FromErrno("socketpair");
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  Helper helper;
  Status status =
      Start({kHelper, "-o", request.options, "--", request.mountpoint}, theirs.get(), &helper);
  if (!status.ok()) return status;
  theirs.reset();
  *device = TakeDescriptor(ours.get());
  if (request.stays && device->valid()) {
    // It watches the other end of this socket, which closes with the process.
    ours.release();
    return Status::Ok();
  }
  status = Finish(&helper, request.mountpoint, message);
  if (!status.ok()) return status;
  return device->valid() ? Status::Ok() : Status::Error(EPROTO, kHelper, request.mountpoint);
}

Status UnmountByHelper(const std::string& mountpoint, bool lazy, std::string* message) {
  std::vector<std::string> arguments{kHelper, "-u"};
  if (lazy) arguments.push_back("-z");
  arguments.insert(arguments.end(), {"--", mountpoint});
  Helper helper;
  Status status = Start(std::move(arguments), -1, &helper);
  return status.ok() ? Finish(&helper, mountpoint, message) : status;
}

}  // namespace coral::fuse
