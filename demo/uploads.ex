defmodule Demo.Uploads do
  @moduledoc false
  # Parts 2 and 3: clients that send ordinary feeds, and some that are hostile, to a node that is watched.

  import Demo.Terminal, only: [bytes: 1, progress: 2, progress_done: 0, seconds: 1]

  alias Demo.{Client, Documents, Group, Memory}

  @requests 400
  @clients 8
  # One request in this number is hostile: 5 %.
  @hostile_every 20
  @limit 16_777_216
  @attribute 209_715_200
  @hoard 67_108_864

  defstruct [:title, :samples, :peak, :exit_status, :outcomes, :ms, kills: 0]

  def limit, do: @limit

  def describe do
    "#{@clients} clients, #{@requests} uploads, #{hostile()} of them hostile, #{bytes(@limit)} for each"
  end

  defp hostile, do: div(@requests, @hostile_every)

  @doc """
  Sends all requests to a new node: with `limit` bytes for each request or, if nil, without quotas.
  """
  def run(title, limit, group \\ nil) do
    node = Demo.Node.start(["server", limit], group)
    watcher = Memory.watch(node.os_pid)
    port = String.to_integer(node.ready)
    {microseconds, outcomes} = :timer.tc(fn -> send_all(port, node.os_pid) end)
    peak = Memory.peak(node.os_pid)
    samples = Memory.stop(watcher)
    status = Demo.Node.exit_status(node)
    Demo.Node.stop(node)

    %__MODULE__{
      title: title,
      samples: samples,
      peak: peak || samples |> Enum.map(&elem(&1, 1)) |> Enum.max(),
      exit_status: status,
      outcomes: outcomes,
      ms: div(microseconds, 1000),
      kills: if(group, do: Group.killed(group), else: 0)
    }
  end

  defp send_all(port, os_pid) do
    outcomes =
      requests()
      |> Task.async_stream(&outcome(&1, port),
        max_concurrency: @clients,
        timeout: :infinity,
        ordered: false
      )
      |> Stream.with_index(1)
      |> Enum.map(fn {{:ok, outcome}, count} ->
        if rem(count, 20) == 0 and (Demo.Terminal.live?() or rem(count, 100) == 0) do
          progress(
            count / @requests,
            "#{count} of #{@requests} done   #{state(Memory.resident(os_pid))}"
          )
        end

        outcome
      end)

    progress_done()
    outcomes
  end

  defp state(nil), do: "the node is dead"
  defp state(resident), do: "resident #{bytes(resident)}"

  # The same every time: nothing here is left to chance but the order in which things happen.
  defp requests do
    feeds = for size <- [10_000, 100_000, 500_000, 1_000_000, 2_000_000], do: Documents.feed(size)

    hostile = [
      {"a billion laughs", "upload", Documents.billion_laughs()},
      {"an attribute of #{bytes(@attribute)}", "upload", Documents.attribute(@attribute)},
      {"a handler that keeps all it reads", "hoard", Documents.feed(@hoard)},
      {"a loop that collects binaries", "collect", Documents.feed(10_000)}
    ]

    for n <- 1..@requests do
      if rem(n, @hostile_every) == 0 do
        Enum.at(hostile, rem(div(n, @hostile_every), length(hostile)))
      else
        {:ordinary, "upload", Enum.at(feeds, rem(n, length(feeds)))}
      end
    end
  end

  defp outcome({kind, function, document}, port) do
    {microseconds, answer} =
      :timer.tc(fn -> Client.post(port, "/demo/Elixir.Demo.Server/#{function}", document) end)

    %{kind: kind, ms: div(microseconds, 1000), items: document.items, answer: answer}
  end

  ## What came of it

  def hostile(run), do: Enum.reject(run.outcomes, &(&1.kind == :ordinary))
  def ordinary(run), do: Enum.filter(run.outcomes, &(&1.kind == :ordinary))

  @doc "Whether a request got what it should have: its number of items, or an error with a reason."
  def right?(%{kind: :ordinary, items: items, answer: {:ok, 200, body}}), do: body == "#{items}"
  def right?(%{kind: :ordinary}), do: false
  def right?(%{answer: {:ok, status, body}}), do: status in 400..499 and body != ""
  def right?(_), do: false

  @doc "Says what each kind of hostile request got, and how the ordinary ones fared."
  def report(run) do
    for {kind, outcomes} <- Enum.group_by(hostile(run), & &1.kind) do
      IO.puts("  #{kind}, #{length(outcomes)} times:")

      for answer <- outcomes |> Enum.map(&answer/1) |> Enum.uniq() |> Enum.take(1) do
        IO.puts("    " <> String.replace(answer, "\n", "\n    "))
      end
    end

    IO.puts(
      "  ordinary uploads: #{share(ordinary(run))} answered rightly, #{latency(ordinary(run))}"
    )

    IO.puts("  the node: resident memory at most #{bytes(run.peak)}, #{fate(run)}")
  end

  defp answer(%{answer: {:ok, status, body}}), do: "#{status}: #{body}"
  defp answer(%{answer: {:error, reason}}), do: "no answer (#{inspect(reason)})"

  def share(outcomes), do: "#{Enum.count(outcomes, &right?/1)} of #{length(outcomes)}"

  def fate(%{exit_status: nil}), do: "alive"
  def fate(%{exit_status: 137, kills: kills} = run) when kills > 0, do: killed(run)
  def fate(%{exit_status: status}), do: "ended with status #{status}"

  defp killed(run),
    do: "killed by the kernel after #{run.samples |> List.last() |> elem(0) |> seconds()}"

  # Of those that were answered: a refused connection is quick.
  defp latency(outcomes) do
    times = outcomes |> Enum.filter(&right?/1) |> Enum.map(& &1.ms) |> Enum.sort()
    at = fn share -> Enum.at(times, floor((length(times) - 1) * share), 0) end
    "median #{at.(0.5)} ms, 99 of 100 within #{at.(0.99)} ms"
  end
end
