defmodule Quota.Account.Opening do
  @moduledoc false
  # Opens the account of a limit.

  alias Bounded.Native

  # The limit of the account in `mode: :observe`: it refuses nothing.
  @unlimited 0xFFFF_FFFF_FFFF_FFFF

  @doc """
  Opens an account of `granted` bytes with `options` for work of the calling process, below that of the process `parent`. With nil it
  is below the node's, for a limit that replaces the one that the process has.
  """
  def open(granted, options, parent \\ self()) do
    %{mode: mode, label: label} = options
    enforced = if mode == :enforce, do: granted, else: @unlimited
    Native.account_new(parent, enforced, terms(granted, options), label(label))
  end

  defp label(nil), do: nil
  defp label(label), do: :erlang.term_to_binary(label)

  # The limits that the guard enforces besides the account's own limit.
  defp terms(_, %{mode: :enforce, soft_limit: nil, max_queue: nil, max_children: nil}), do: nil

  defp terms(granted, options),
    do: {granted, options.soft_limit, options.max_queue, options.max_children}
end
