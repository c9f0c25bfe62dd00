// One process of the metadata benchmark: does one kind of operation on its share of a tree of small
// files, ROOT/d0000/f0000 and so on. C++, so that what is measured is the filesystem.
//
//   metadata-worker OPERATION ROOT DIRECTORIES FILES INDEX PROCESSES
//
// Prints a line when it is ready, starts when its standard input ends, prints how many operations it did.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

struct Share {
  std::string root;
  int directories;
  int files;
  int index;
  int processes;
};

[[noreturn]] void Fail(const char* what, const std::string& path) {
  fprintf(stderr, "%s %s: %s\n", what, path.c_str(), strerror(errno));
  exit(1);
}

std::string Path(const Share& share, int directory, char kind, int file) {
  char name[32];
  snprintf(name, sizeof(name), "/d%04d/%c%04d", directory, kind, file);
  return share.root + name;
}

int Opened(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags, 0644);
  if (fd < 0) Fail("open", path);
  return fd;
}

void Create(const std::string& path) { close(Opened(path, O_WRONLY | O_CREAT | O_EXCL)); }

// A file without data: nothing is made on a tier.
void Mknod(const std::string& path) {
  if (mknod(path.c_str(), S_IFREG | 0644, 0) != 0) Fail("mknod", path);
}

void Write(const std::string& path) {
  static char data[4096];
  const int fd = Opened(path, O_WRONLY | O_CREAT | O_EXCL);
  if (write(fd, data, sizeof(data)) != sizeof(data)) Fail("write", path);
  close(fd);
}

void Stat(const std::string& path) {
  struct stat at;
  if (stat(path.c_str(), &at) != 0) Fail("stat", path);
}

void Open(const std::string& path) { close(Opened(path, O_RDONLY)); }

void Unlink(const std::string& path) {
  if (unlink(path.c_str()) != 0) Fail("unlink", path);
}

template <typename Act>
long ForEach(const Share& share, Act act) {
  long count = 0;
  for (int d = share.index; d < share.directories; d += share.processes) {
    for (int f = 0; f < share.files; f++, count++) act(d, f);
  }
  return count;
}

long OnFiles(const Share& share, void (*act)(const std::string&), char kind = 'f') {
  return ForEach(share, [&](int d, int f) { act(Path(share, d, kind, f)); });
}

long Rename(const Share& share) {
  return ForEach(share, [&](int d, int f) {
    const auto from = Path(share, d, 'f', f);
    if (rename(from.c_str(), Path(share, d, 'g', f).c_str()) != 0) Fail("rename", from);
  });
}

// Every process lists the whole of ROOT, with the attributes of each entry.
long List(const Share& share) {
  DIR* directory = opendir(share.root.c_str());
  if (directory == nullptr) Fail("opendir", share.root);
  long count = 0;
  while (const dirent* entry = readdir(directory)) {
    struct stat at;
    if (fstatat(dirfd(directory), entry->d_name, &at, AT_SYMLINK_NOFOLLOW) != 0) {
      Fail("stat", entry->d_name);
    }
    count++;
  }
  closedir(directory);
  return count;
}

long Run(const std::string& operation, const Share& share) {
  if (operation == "create") return OnFiles(share, Create);
  if (operation == "mknod") return OnFiles(share, Mknod);
  if (operation == "write") return OnFiles(share, Write);
  if (operation == "stat") return OnFiles(share, Stat);
  if (operation == "open") return OnFiles(share, Open);
  if (operation == "unlink") return OnFiles(share, Unlink, 'g');  // what rename left
  if (operation == "rename") return Rename(share);
  if (operation == "list") return List(share);
  fprintf(stderr, "no operation %s\n", operation.c_str());
  exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  const Share share{argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), atoi(argv[6])};
  puts("ready");
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  printf("%ld\n", Run(argv[1], share));
}
