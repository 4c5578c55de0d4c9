defmodule Bounded.Sizes do
  @moduledoc false
  # Sizes in bytes that decide how binaries are copied: the constants of `native/core/src/slice.rs`, once for all modules.

  @doc "Up to this size a binary of the VM is made, which no account charges: `slice::PLAIN_MAX`."
  defmacro plain_max, do: 512 * 1024

  @doc "Bytes that one call copies at most: `slice::STEP`."
  defmacro step, do: 256 * 1024

  @doc "More than any machine has: every account refuses it, also that of the node."
  defmacro unreachable, do: Bitwise.bsl(1, 61)
end
