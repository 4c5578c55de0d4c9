defmodule Quota.Run.Context do
  @moduledoc false
  # The context of the caller that is copied to the work: `$callers` and `$ancestors`, for Ecto's sandbox and Mox; Logger
  # metadata; and the keys of the process dictionary in `:inherit`.

  # No value of a key: nil and false are values.
  @absent {__MODULE__, :absent}

  def capture(keys) do
    inherited = for key <- keys, (value = Process.get(key, @absent)) != @absent, do: {key, value}

    {self(), Process.get(:"$callers", []), Process.get(:"$ancestors", []),
     :logger.get_process_metadata(), inherited}
  end

  @doc "Returns the terms of a context that users can make large; usually none."
  def captured({_caller, [], [], :undefined, []}), do: []

  def captured({_caller, callers, ancestors, metadata, inherited}),
    do: [callers, ancestors, metadata, inherited]

  def restore({caller, callers, ancestors, metadata, inherited}) do
    Process.put(:"$callers", [caller | callers])
    Process.put(:"$ancestors", [caller | ancestors])
    if metadata != :undefined, do: :logger.set_process_metadata(metadata)
    put(inherited)
  end

  defp put([]), do: :ok

  defp put([{key, value} | inherited]) do
    Process.put(key, value)
    put(inherited)
  end

  def caller({caller, _, _, _, _}), do: caller
end
