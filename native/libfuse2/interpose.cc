// The functions of libfuse that this addon answers in its place. They have libfuse's names:
// fuse-native's binding, and libfuse itself, find these first.
#include "libfuse2/library.h"
#include "libfuse2/operations.h"
#include "libfuse2/request.h"

using coral::libfuse2::Functions;

extern "C" {

struct fuse* fuse_new(struct fuse_chan* channel, struct fuse_args* args,
                      const struct fuse_operations* operations, size_t size, void* data) {
  const fuse_operations ours = coral::libfuse2::WrapOperations(operations, size);
  return Functions().fuse_new(channel, args, &ours, sizeof(ours), data);
}

// The last call of the thread that served a mount.
void fuse_destroy(struct fuse* fuse) {
  Functions().fuse_destroy(fuse);
  coral::libfuse2::NotifyEnd();
}

void fuse_session_process_buf(struct fuse_session* session, const struct fuse_buf* buffer,
                              struct fuse_chan* channel) {
  const coral::libfuse2::CurrentRequest current(*buffer);
  Functions().process_buf(session, buffer, channel);
}

}  // extern "C"
