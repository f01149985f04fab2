{
  "targets": [
    {
      "target_name": "helicorder",
      "sources": ["<!@(ls native/src/*.cc)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # An environment that is being ended (worker.terminate) takes no exception: without the third,
      # node-addon-api throws one through C and the process aborts.
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
      # hidden: calls within the addon are direct, and may be inlined; no contraction: what a float
      # is made of is the same on every machine
      "cflags_cc": ["-std=c++20", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-fexceptions"],
      "ldflags": ["-pthread"]
    }
  ]
}
