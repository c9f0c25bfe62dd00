{
  "targets": [
    {
      "target_name": "coral_reef",
      "sources": ["<!@(ls */*.cc)"],
      "include_dirs": [".", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "XXH_INLINE_ALL", "_FILE_OFFSET_BITS=64"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions", "-O3", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-isystem <!(node -p \"require('node-addon-api').include_dir\")", "-isystem <!(node -p \"require('fuse-shared-library-linux').include\")"],
      "libraries": ["-lzstd", "-lcrypto"]
    }
  ]
}
