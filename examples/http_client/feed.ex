defmodule Examples.HTTPClient.Feed do
  @moduledoc """
  An HTTP client within a limit, and where a response counts.

  Most clients read the socket in a process of their own (`:httpc`, hackney's and Finch's pools) and hand the body over. A binary of more
  than 64 bytes is not copied by that: it counts for the quota as soon as the work refers to it, and not while the client collects
  it. So a limit around `Req.get!/1` does not bound what the client collects: 1 GB is there before the work has seen a byte.

  | how the body comes | what bounds it |
  | --- | --- |
  | as one binary | nothing until it is whole; then the limit |
  | as parts, collected by the work | the limit, part by part |
  | as parts, used one by one | the limit is never near, and `max_bytes` bounds the sum |

  Ask for parts: `Req.get!(url, into: fn ...)`, `Finch.stream/5`, `:httpc` with `stream: {:self, :once}`, as here. Parts that come as
  messages wait in the mailbox; asking for each (`:once`) or `:max_queue` bounds those.
  """

  @limit Quota.mib(8)

  @doc "`{:ok, count}` of the elements `feed/entry` at `url`, or `{:error, error}`."
  def count(url, options \\ []) do
    Quota.try_run(
      @limit,
      fn -> url |> parts() |> BoundedXml.select("feed/entry", options) |> Enum.count() end,
      label: "feed",
      timeout: 30_000,
      max_queue: 100
    )
  end

  @doc "The same with all of the body at once, which is what the limit is for."
  def collect(url) do
    Quota.try_run(@limit, fn -> url |> parts() |> Enum.to_list() |> IO.iodata_length() end,
      label: "feed"
    )
  end

  # The stream of the body's parts. It belongs to the process that enumerates it.
  defp parts(url), do: Stream.resource(fn -> open(url) end, &next/1, &close/1)

  defp open(url) do
    options = [sync: false, stream: {:self, :once}]
    {:ok, id} = :httpc.request(:get, {String.to_charlist(url), []}, [], options)

    receive do
      {:http, {^id, :stream_start, _headers, client}} -> {id, client}
      {:http, {^id, reply}} -> raise "no feed at #{url}: #{inspect(reply, limit: 5)}"
    end
  end

  defp next(:done), do: {:halt, :done}

  defp next({id, client} = state) do
    :httpc.stream_next(client)

    receive do
      {:http, {^id, :stream, part}} -> {[part], state}
      {:http, {^id, :stream_end, _headers}} -> {:halt, :done}
      {:http, {^id, {:error, reason}}} -> raise "the feed was cut off: #{inspect(reason)}"
    end
  end

  defp close(:done), do: :ok
  defp close({id, _client}), do: :httpc.cancel_request(id)
end
