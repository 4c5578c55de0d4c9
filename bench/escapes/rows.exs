defmodule Bench.Escapes.Rows do
  # Every row of the table, in the order in which it is printed.

  alias Bench.Escapes.Rows

  @kinds [
    heap: Rows.Heap,
    binaries: Rows.Binaries,
    decoding: Rows.Decoding,
    entry: Rows.Entry,
    ending: Rows.Ending,
    mailbox: Rows.Mailbox,
    children: Rows.Children,
    tables: Rows.Tables,
    native: Rows.Native,
    settings: Rows.Settings,
    outside: Rows.Outside
  ]

  def all do
    for {kind, module} <- @kinds, row <- module.rows(), do: %{row | kind: kind}
  end
end
