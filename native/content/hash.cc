#include "content/hash.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>

namespace coral {

Hash Sha256(const void* data, size_t length) {
  // Fetched once: a lookup by name for each chunk would take a lock.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  Hash hash;
  const bool done = algorithm != nullptr && context != nullptr &&
                    EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1 &&
                    EVP_DigestUpdate(context.get(), data, length) == 1 &&
                    EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1;
  // Without a hash no chunk has a name; a made-up one would give wrong data later.
  if (!done) abort();
  return hash;
}

}  // namespace coral
