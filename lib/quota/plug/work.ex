defmodule Quota.Plug.Work do
  @moduledoc false
  # Runs the plug in the work's process: makes that process the owner of the conn, and returns uploads, Logger metadata and keys
  # of the process dictionary to the request's process, which would have them without `Quota.Plug`.

  alias Quota.Run.CopySize

  # Keys under which Plug keeps the CSRF token until the session is written.
  @plug_keys [
    :plug_masked_csrf_token,
    :plug_unmasked_csrf_token,
    :plug_csrf_token_per_host
  ]

  # Tables of Plug.Upload: the directories and the files of each process.
  @directories Plug.Upload.Dir
  @files Plug.Upload.Path

  @doc "Returns the keys of the process dictionary that are copied to the work and back."
  def keys(inherit), do: @plug_keys ++ inherit

  @doc """
  Calls `fun` with the conn of `Quota.Plug.Owner.open/2`. Returns its result, or `{:changed, fields}` if the result is that conn.
  """
  def run(fun, %{adapter: {module, adapter}} = conn, keys) do
    [owner | _] = Process.get(:"$callers")
    before = context(keys)
    conn = %{conn | adapter: {module, %{adapter | worker: self()}}}

    conn = if conn.owner, do: %{conn | owner: self()}, else: conn

    try do
      changes(fun.(conn), conn)
    after
      give_uploads(owner)
      hand_back(before, keys, adapter)
    end
  end

  # Most fields of a conn do not change. Only the changed ones are sent back.
  defp changes(%{__struct__: Plug.Conn, adapter: adapter} = conn, %{adapter: adapter} = before),
    do:
      {:changed,
       :maps.filter(fn field, value -> :erlang.map_get(field, before) !== value end, conn)}

  defp changes(other, _before), do: other

  # An upload's file is deleted when the process that received it ends.
  defp give_uploads(owner) do
    if :ets.whereis(@files) != :undefined and :ets.member(@directories, self()) do
      for {_, path} <- :ets.lookup(@files, self()),
          do: apply(Plug.Upload, :give_away, [path, owner])
    end
  end

  defp hand_back(before, keys, adapter) do
    {metadata, values} = now = context(keys)

    if now != before and CopySize.at_most?(now, adapter.limit) do
      changed = for {key, value} <- Enum.zip(keys, values), do: {key, value}
      send(adapter.serving, {adapter.serving, {:hand_back, metadata, changed}})
    end
  end

  defp context(keys) do
    metadata =
      case :logger.get_process_metadata() do
        :undefined -> %{}
        metadata -> metadata
      end

    {metadata, Enum.map(keys, &Process.get/1)}
  end
end
