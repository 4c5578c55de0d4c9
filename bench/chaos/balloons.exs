defmodule Bench.Chaos.Balloons do
  # Work that takes more than its limit in every way that a limit counts. Each ends by itself far above its limit, so that one that
  # nobody stops is a wrong answer and not the end of the node.

  @limit 1024 * 1024
  # Bytes at which a balloon that was not stopped returns.
  @most 40 * @limit

  @kinds ~w(heap dictionary binaries native result queue children table captures nested reader limit)a

  def kinds, do: @kinds

  @doc "The categories with which a balloon may be stopped: the guard, the VM and the native side all see some of them."
  def categories(:heap), do: [:heap]
  def categories(:dictionary), do: [:heap]
  def categories(:binaries), do: [:binaries, :heap]
  def categories(:native), do: [:native, :binaries]
  def categories(:result), do: [:result]
  def categories(:queue), do: [:queue]
  def categories(:children), do: [:heap, :children]
  def categories(:table), do: [:ets, :heap]
  def categories(:captures), do: [:captures]
  def categories(:nested), do: [:heap]
  def categories(:reader), do: [:native, :binaries, :heap]
  def categories(:limit), do: [:killed]

  def run(:queue), do: Quota.run(@limit, fn -> flood(self()) end, max_queue: 50)
  def run(:children), do: Quota.run(@limit, &children/0, count: [:children])
  def run(:table), do: Quota.run(@limit, &table/0, count: [:ets])

  def run(:captures) do
    shared = Enum.reduce(1..20, [], fn _, list -> [list | list] end)
    Quota.run(@limit, fn -> length(shared) end)
  end

  # The limit of a process that limits itself: its end is all that anybody hears.
  def run(:limit) do
    {pid, ref} =
      spawn_monitor(fn ->
        Quota.put_limit(@limit)
        exit({:returned, grow([], 0)})
      end)

    receive do
      {:DOWN, ^ref, _, ^pid, :killed} -> raise Quota.ExceededError.own(@limit)
      {:DOWN, ^ref, _, ^pid, {:returned, value}} -> value
      {:DOWN, ^ref, _, ^pid, {%error{}, _}} when error == SystemLimitError -> raise error
      {:DOWN, ^ref, _, ^pid, {:system_limit, _}} -> raise SystemLimitError
      {:DOWN, ^ref, _, ^pid, reason} -> exit(reason)
    end
  end

  def run(kind), do: Quota.run(@limit, fn -> work(kind) end, label: {:balloon, kind})

  defp work(:heap), do: grow([], 0)
  defp work(:binaries), do: keep([], 0)
  defp work(:native), do: copy([], 0)
  defp work(:result), do: Enum.reduce(1..40, [], fn _, shared -> [shared | shared] end)
  defp work(:nested), do: Quota.run(@limit, fn -> grow([], 0) end)

  defp work(:dictionary) do
    for n <- 1..div(@most, 100), do: Process.put(n, n)
    :returned
  end

  defp work(:reader) do
    part = :binary.copy("y", 30_000)
    source = Stream.concat(["<r a='"], Stream.repeatedly(fn -> part end))

    source
    |> BoundedXml.stream(max_attribute_bytes: @most, max_token_bytes: @most)
    |> Enum.count()
  end

  defp grow(_list, size) when size > @most, do: :returned
  defp grow(list, size), do: grow([list | list], size + 16)

  defp keep(_kept, size) when size > @most, do: :returned

  defp keep(kept, size) do
    # A small heap, and time for the guard where it decides.
    if rem(length(kept), 8) == 0, do: Process.sleep(1)
    keep([:binary.copy(<<1>>, 8_192) | kept], size + 8_192)
  end

  defp copy(_kept, size) when size > @most, do: :returned

  defp copy(kept, size),
    do: copy([BoundedBinary.copy(:binary.copy(<<1>>, 600_000)) | kept], size + 600_000)

  defp flood(pid) do
    for n <- 1..200, do: send(pid, n)
    wait()
  end

  defp children do
    for _ <- 1..20 do
      spawn(fn ->
        held = Enum.to_list(1..5_000)
        wait()
        length(held)
      end)
    end

    wait()
  end

  defp table do
    table = :ets.new(:chaos_balloon, [])

    for n <- 1..4_000 do
      :ets.insert(table, {n, Enum.to_list(1..400)})
      if rem(n, 50) == 0, do: Process.sleep(1)
    end

    :returned
  end

  # Longer than a guard needs, whatever keeps it from running.
  defp wait do
    Process.sleep(15_000)
    :returned
  end
end
