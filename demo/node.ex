defmodule Demo.Node do
  @moduledoc false
  # Another VM, so that what happens in it is seen from outside, and survived. `start/2` and what follows run
  # here, `main/1` there.

  defstruct [:port, :os_pid, :ready]

  @doc """
  Starts a VM that plays `role`, `[name | args]`, in a control group if one is given, and waits until it is ready.
  """
  def start(role, group \\ nil) do
    elixir = System.find_executable("elixir")
    paths = for path <- :code.get_path(), path = List.to_string(path), ours?(path), do: path
    call = "Demo.Node.main(#{inspect(role)})"
    args = Enum.flat_map(paths, &["-pa", &1]) ++ ["-e", call]

    port =
      Port.open({:spawn_executable, "/bin/sh"}, [
        :binary,
        :exit_status,
        line: 1024,
        args: ["-c", Demo.Group.join(group) <> ~s( && exec "$@"), "sh", elixir | args]
      ])

    {:os_pid, os_pid} = Port.info(port, :os_pid)
    %__MODULE__{port: port, os_pid: os_pid, ready: await(port, "ready ")}
  end

  defp ours?(path), do: path =~ ~r{/bounded/ebin$|/_build/demo$}

  @doc "What the node says at its end."
  def result(node), do: await(node.port, "result ")

  defp await(port, prefix) do
    receive do
      {^port, {:data, {:eol, line}}} ->
        case String.split(line, prefix, parts: 2) do
          ["", rest] ->
            rest

          _ ->
            IO.puts("  | " <> line)
            await(port, prefix)
        end

      {^port, {:exit_status, status}} ->
        raise "the node ended with status #{status} before it said #{inspect(prefix)}"
    end
  end

  @doc "The exit status of a node that has ended by itself, else nil. 137 is the kernel's SIGKILL."
  def exit_status(%{port: port, os_pid: os_pid}) do
    # A node that was killed has no memory any more a moment before its end is told.
    patience = if Demo.Memory.resident(os_pid), do: 0, else: 5_000

    receive do
      {^port, {:exit_status, status}} -> status
    after
      patience -> nil
    end
  end

  @doc "Stops it: it ends when its standard input does."
  def stop(%{port: port}) do
    if Port.info(port), do: Port.close(port)
    :ok
  end

  ## There

  def main(["server", limit]) do
    {:ok, _} = Application.ensure_all_started(:inets)
    IO.puts("ready #{Demo.Server.start(limit)}")
    until_told()
  end

  def main(["parse", parser, bytes]) do
    text = Demo.Documents.feed(bytes).chunks |> Enum.to_list() |> IO.iodata_to_binary()
    IO.puts("ready #{Demo.Memory.resident()}")
    items = parse(parser, text)
    IO.puts("result #{items} #{Demo.Memory.peak() || Demo.Memory.resident()}")
    until_told()
  end

  def main(["balloons", watchdog]) do
    Demo.Watchdog.main(watchdog)
    until_told()
  end

  defp parse("xmerl", text) do
    # It takes the bytes, each as an element of a list, and decodes them itself.
    {feed, _} = text |> :erlang.binary_to_list() |> :xmerl_scan.string(quiet: true)
    length(:xmerl_xpath.string('item', feed))
  end

  defp parse("bounded", text), do: Demo.Server.count(BoundedXml.stream(text))

  defp until_told do
    case IO.read(:line) do
      line when is_binary(line) -> until_told()
      _ -> System.halt(0)
    end
  end
end
