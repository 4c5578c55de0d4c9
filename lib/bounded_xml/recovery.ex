defmodule BoundedXml.Recovery do
  @moduledoc false
  # What the native parser let through comes among the events, where it was found: no event and no record is a
  # tuple of four.

  @doc "Calls `fun` of `on_recover:` for each recovery among `events`, and gives the others."
  def report(events, nil), do: events

  def report(events, fun) do
    Enum.reject(events, fn
      {:recovered, kind, text, place} ->
        fun.({kind, text, place})
        true

      _event ->
        false
    end)
  end
end
