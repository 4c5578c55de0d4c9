defmodule Quota.Watchdog.Census.Arrivals do
  @moduledoc false
  # Where something arrives: messages in mailboxes, rows in tables. Binaries that no process holds may be there. Where nothing has arrived
  # lately they are probably not, however long the mailbox or large the table.
  #
  # A map by pid or table of `{first, last, at}`: the counts when it was seen first and last, and when the count rose last, or nil.

  # Milliseconds after which something is no late arrival any more.
  @lately_ms 2_000

  @doc "Notes what is counted now. `now` is in milliseconds."
  def note(arrivals, key, count, now) do
    case arrivals do
      %{^key => {first, last, _at}} when count > last ->
        %{arrivals | key => {min(first, count), count, now}}

      %{^key => {first, _last, at}} ->
        %{arrivals | key => {min(first, count), count, at}}

      _ ->
        Map.put(arrivals, key, {count, count, nil})
    end
  end

  @doc "Whether at least `least` have arrived since it was seen first, one of them lately."
  def lately?(arrivals, key, least, now) do
    case arrivals do
      %{^key => {first, last, at}} when at != nil ->
        last - first >= least and now - at <= @lately_ms

      _ ->
        false
    end
  end

  @doc "Forgets all but `keys`."
  def keep(arrivals, keys), do: Map.take(arrivals, keys)
end
