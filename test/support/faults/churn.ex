defmodule Bounded.Test.Churn do
  @moduledoc false
  # Quotas of every kind that begin and end all the time, in a VM that tests do their worst to.

  @mib 1024 * 1024

  @doc "Starts `count` processes that go on for good. Whatever their quotas end with is right."
  def start(count) do
    Logger.configure(level: :none)
    for n <- 1..count, do: spawn(fn -> loop(n) end)
    :ok
  end

  @doc "Loads the modules anew, `times` times, old code purged as it goes."
  def reload(modules, times) do
    for _ <- 1..times, module <- modules, do: {:module, ^module} = load_anew(module)
    :ok
  end

  @doc "Tries to do so with the module of the NIFs."
  def reload_native(times) do
    for _ <- 1..times, do: {:error, :on_load_failure} = load_anew(Bounded.Native)
    :ok
  end

  defp load_anew(module) do
    :code.purge(module)
    :code.load_file(module)
  end

  @doc "Takes the module of the NIFs away, again and again."
  def delete_native(times) do
    for _ <- 1..times do
      :code.delete(Bounded.Native)
      # Wherever the quotas are by then.
      Process.sleep(:rand.uniform(5))
      :code.purge(Bounded.Native)
    end

    :ok
  end

  @doc "Every kind of quota, once, with its right outcome."
  def works? do
    {:error, %{category: :heap}} = Quota.try_run(@mib, fn -> grow([]) end)
    {:ok, 200_000} = Quota.try_run(@mib, fn -> work(1) end)
    {:ok, [_ | _]} = Quota.try_run(@mib, fn -> work(2) end)
    {:ok, _} = Quota.try_run(8 * @mib, fn -> work(3) end, count: [:children])
    true
  end

  defp loop(n) do
    try do
      case rem(n, 4) do
        0 -> Quota.try_run(@mib, fn -> grow([]) end)
        3 -> Quota.run(8 * @mib, fn -> work(3) end, count: [:children])
        kind -> Quota.run(@mib, fn -> work(kind) end)
      end
    catch
      _, _ -> :ok
    end

    loop(n + 1)
  end

  defp work(1) do
    Process.sleep(2)
    byte_size(BoundedBinary.copy(:binary.copy("x", 200_000)))
  end

  defp work(2), do: "<a><b>text</b></a>" |> BoundedXml.stream() |> Enum.to_list()

  defp work(3) do
    spawn(fn -> Process.sleep(:infinity) end)
    Process.sleep(2)
  end

  defp grow(list), do: grow([list | list])
end
